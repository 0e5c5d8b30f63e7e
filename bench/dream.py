#!/usr/bin/env python3
"""Times a step of DeepDream beside PyTorch, in turns, and prints the table.

    FOVEA_DATA=DIR bench/dream.py [--fovea PROGRAM] [--threads N] [--rounds N] [--side N]

The step is the notebook's: roll by up to 32 pixels, BVLC GoogLeNet to inception_4c/output, its answers sent back, the change
of 1.5 levels on average, clipped, rolled back, on a picture of side x side. Weights are the real ones. PyTorch runs the same
network (tests/golden/dream/network.py) eagerly, with contiguous and with channels-last tensors; fovea's time is that of its
whole step with everything around it. Both are processes of their own that take turns; the ratio is that of the medians.
fovea's memory is what the step holds, PyTorch's that of the process. Needs python3-torch."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
from torch_environment import torch_environment  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
LAYER, TARGET = "inception_4c/output", 1.5
KINDS = ("eager", "channels-last")


def torch_times(kind, folder, side, steps, threads):
    """Milliseconds of each step, in this process."""
    import torch
    sys.path.insert(0, str(ROOT / "tests" / "golden" / "dream"))
    from network import read_network
    torch.set_num_threads(threads)
    layout = torch.channels_last if kind == "channels-last" else torch.contiguous_format
    activations = read_network(folder, LAYER, layout)
    mean = torch.tensor([104.0, 116.0, 122.0]).view(1, 3, 1, 1)
    picture = (torch.rand(1, 3, side, side) + 100 - mean).to(memory_format=layout)

    def step(picture):
        down, right = torch.randint(-32, 33, (2,)).tolist()
        x = torch.roll(picture, (down, right), (2, 3)).requires_grad_(True)
        answer = activations(x)
        answer.backward(answer.detach())
        with torch.no_grad():
            x = torch.roll(x + 1.5 / x.grad.abs().mean() * x.grad, (-down, -right), (2, 3))
            return torch.maximum(torch.minimum(x, 255 - mean), -mean)

    times = []
    for number in range(3 + steps):
        start = time.perf_counter()
        picture = step(picture)
        if number >= 3:
            times.append((time.perf_counter() - start) * 1e3)
    return times


def fovea_step(options, network, output):
    command = [options.fovea, "dream", "noise", "--size", options.side, "--model", network, "--preset", "google-2015",
               "--octaves", 1, "--steps", options.steps, "-o", output, "--threads", options.threads, "--json", "--quiet"]
    text = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    result = json.loads(text)
    return result["octaves"][0]["step_seconds"] * 1e3, result["memory"] / 2**20


def torch_step(options, kind):
    environment = os.environ | torch_environment(options.threads)
    command = [sys.executable, __file__, "--threads", options.threads, "--side", options.side, "--steps", options.steps,
               "--child", kind]
    result = json.loads(subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True,
                                       env=environment).stdout)
    return result["median_ms"], result["peak_mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fovea", type=Path, default=ROOT / "build" / "release" / "fovea")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = Path(os.environ.get("FOVEA_DATA", "")) / "weights/bvlc_googlenet_f16"
    if not folder.is_dir():
        sys.exit(f"there is no {folder}: set FOVEA_DATA")
    if options.child:
        times = torch_times(options.child, folder, options.side, options.steps, options.threads)
        print(json.dumps({"median_ms": statistics.median(times),
                          "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(options.rounds):
            found.setdefault("fovea", []).append(
                fovea_step(options, folder / "bvlc_googlenet.f16.safetensors", Path(scratch) / "dream.png"))
            for kind in KINDS:
                found.setdefault(kind, []).append(torch_step(options, kind))
    median = {key: [statistics.median(column) for column in zip(*values)] for key, values in found.items()}
    best = min(KINDS, key=lambda kind: median[kind][0])
    ours, peer = median["fovea"], median[best]
    print("| step | fovea ms | PyTorch ms | its form | ratio | target | fovea MiB | PyTorch MiB |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| DeepDream GoogLeNet 4c {options.side}x{options.side}, {options.threads} threads | {ours[0]:.4g} | "
          f"{peer[0]:.4g} | {best} | {peer[0] / ours[0]:.2f} | {TARGET} | {ours[1]:.0f} | {peer[1]:.0f} |")


if __name__ == "__main__":
    main()
