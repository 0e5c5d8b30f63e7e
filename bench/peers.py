"""Times one network in PyTorch, in this process, and prints one line of JSON.

    peers.py torch-eager|torch-channels-last|torch-script NETWORK [--batch N] [--runs N] [--threads N]

NETWORK is a name of networks.py (vgg19, ...). The binding of threads and the tuning of malloc come from the
environment, which bench/run sets. The weights are those of the exported file.
"""

import argparse
import json
import re
import resource
import statistics
import time

import networks  # says which packages are missing
import torch

KINDS = ("torch-eager", "torch-channels-last", "torch-script")


def prepare(kind, network, x):
    """The network and its input, as PyTorch's own advice for speed has them."""
    if kind == "torch-channels-last":
        return network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if kind == "torch-script":
        return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, x))), x
    return network, x


def measure(call, runs):
    """Milliseconds of each run, after at least 5 runs and 0.5 s of warm-up (TorchScript compiles in its first two)."""
    start, warm = time.perf_counter(), 0
    while warm < 5 or time.perf_counter() - start < 0.5:
        call()
        warm += 1
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("network", choices=networks.ARCHITECTURES)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        network, x = prepare(options.kind, networks.build(options.network), networks.images(options.batch))
        times = measure(lambda: network(x), options.runs)
    print(json.dumps({
        "engine": options.kind,
        "version": torch.__version__,
        "onednn": "".join(re.findall(r"MKL-DNN v(\S+)", torch.__config__.show())),
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "times_ms": times,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    main()
