#!/usr/bin/env python3
"""Times the steps of inversion and activation maximisation beside PyTorch, in turns, and prints the table.

    bench/insight.py [--fovea PROGRAM] [--threads N] [--rounds N] [--only NAME]

A step of inversion is the squared distance of one layer's answers to given ones, the total variation of the picture, the
gradient of both with respect to the picture alone, and momentum; of maximisation the mean answer of one channel, a picture
of waves, random views and Adam for fovea, and the same channel with plain pixels and Adam for PyTorch, which has less to do
then. Weights are random: time does not depend on them. Both sides run for one picture of 224x224, the same threads, and as processes of their own that take turns; the ratio is that of the
medians; the aim for memory is 70 % of PyTorch's. fovea's is what the step holds, PyTorch's that of the process. Needs python3-torch and python3-torchvision.
"""

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

# Name, fovea's network, its layer, torchvision's network and how many modules of `features` (or None: fc7), what is done,
# steps a round, target ratio.
ROWS = [
    ("inversion VGG-16 relu3_3", "zoo:vgg16", "relu3_3", "vgg16", 16, "invert", 12, 2.4),
    ("inversion AlexNet conv5", "zoo:alexnet", "conv5", "alexnet", 11, "invert", 100, 1.4),
    ("inversion AlexNet fc7", "zoo:alexnet", "fc7", "alexnet", None, "invert", 50, 2.0),
    ("maximisation GoogLeNet 4c", "zoo:googlenet", "inception4c", "googlenet", "inception4c", "maximise", 20, 1.5),
]
KINDS = ("eager", "channels-last", "bf16")


def torch_network(name, layer):
    import torch
    import torchvision
    from torch import nn
    torch.manual_seed(0)
    if name == "googlenet":
        network = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False).eval()
        modules = []
        for child, module in network.named_children():
            modules.append(module)
            if child == layer:
                break
        return nn.Sequential(*modules)
    network = getattr(torchvision.models, name)(weights=None).eval()
    if layer is None:  # fc7: up to the second fully connected layer and its ReLU
        return nn.Sequential(network.features, network.avgpool, nn.Flatten(), *list(network.classifier)[:6])
    return network.features[:layer]


def torch_times(row, kind, threads):
    """Milliseconds of each step, in this process."""
    import torch
    _, _, _, name, layer, what, steps, _ = row
    torch.set_num_threads(threads)
    network = torch_network(name, layer)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(1, 3, 224, 224)
    if kind == "channels-last":
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    x.requires_grad_(True)
    bf16 = torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "bf16")
    with torch.no_grad(), bf16:
        code = network(torch.randn_like(x)).float()
    scale = 1 / code.square().sum()
    optimiser = torch.optim.SGD([x], lr=1e-3, momentum=0.9) if what == "invert" else torch.optim.Adam([x], lr=0.05)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with bf16:
            answer = network(x)
        if what == "invert":
            dx, dy = x[..., :-1, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, :-1]
            loss = (answer.float() - code).square().sum() * scale + 1e-6 * (dx * dx + dy * dy).sum()
        else:
            loss = -answer[:, 12].float().mean()
        loss.backward()
        optimiser.step()

    for _ in range(3):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def fovea_step(options, row, picture, folder, flags):
    """Median milliseconds of a step and MiB, by the program itself."""
    _, network, layer, _, _, what, steps, _ = row
    if what == "invert":
        command = ["invert", network, picture, "--layer", layer, "--preset", "mahendran2015", "--starts", 1]
    else:
        command = ["maximise", network, "--units", f"{layer}:12"]
    command = [options.fovea, *command, "--steps", steps, "-o", folder / "sheet.png", "--threads", options.threads,
               "--json", "--quiet", *flags]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    text, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: failed")
    result = json.loads(text)
    step = result["layers"][0]["step"] if what == "invert" else result["steps"][0]
    return step["seconds"] * 1e3, (step["arena"] + step["weights"] + step["states"]) / 2**20


def torch_step(options, row, kind):
    environment = os.environ | torch_environment(options.threads)
    command = [sys.executable, __file__, "--threads", str(options.threads), "--child", kind, row[0]]
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout)
    return result["median_ms"], result["peak_mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fovea", type=Path, default=ROOT / "build" / "release" / "fovea")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--child", nargs=2, metavar=("KIND", "ROW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    rows = {row[0]: row for row in ROWS}
    if options.child:
        times = torch_times(rows[options.child[1]], options.child[0], options.threads)
        print(json.dumps({"median_ms": statistics.median(times),
                          "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    print("| step | fovea ms | best f32 peer ms | peer | ratio | target | bf16: fovea ms | peer ms | ratio | "
          "fovea MiB | peer MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        picture = folder / "picture.ppm"
        picture.write_bytes(b"P6 256 256 255\n" + bytes((7 * i * i + i // 768) % 256 for i in range(256 * 256 * 3)))
        for row in ROWS:
            if options.only not in row[0]:
                continue
            found = {}
            for _ in range(options.rounds):
                for kind in ("f32", "bf16"):
                    flags = ["--bf16"] if kind == "bf16" else []
                    found.setdefault(("fovea", kind), []).append(fovea_step(options, row, picture, folder, flags))
                for kind in KINDS:
                    found.setdefault(("torch", kind), []).append(torch_step(options, row, kind))
            median = {key: [statistics.median(column) for column in zip(*values)] for key, values in found.items()}
            best = min(("eager", "channels-last"), key=lambda kind: median["torch", kind][0])
            ours, peer = median["fovea", "f32"], median["torch", best]
            ours16, peer16 = median["fovea", "bf16"], median["torch", "bf16"]
            print(f"| {row[0]} | {ours[0]:.4g} | {peer[0]:.4g} | {best} | {peer[0] / ours[0]:.2f} | {row[7]} | "
                  f"{ours16[0]:.4g} | {peer16[0]:.4g} | {peer16[0] / ours16[0]:.2f} | {ours[1]:.0f} | {peer[1]:.0f} |",
                  flush=True)


if __name__ == "__main__":
    main()
