#!/usr/bin/env python3
"""Times the loss and gradient of neural style beside PyTorch, in turns, and prints the table.

    bench/style.py [--fovea PROGRAM] [--threads N] [--rounds N] [--side N]...

One evaluation: VGG-19's convolutions up to relu5_1, Gram matrices at relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1, the content
at relu4_2, the gradient of the sum with respect to the picture of side x side. Weights are random, as He et al. say. PyTorch runs eagerly, contiguous and channels-last, and both under bf16 autocast;
fovea's time is that of a whole step of `fovea style --preset gatys` by Adam, with the update and everything around it. Both are
processes of their own that take turns; the ratio is that of the medians; the aim for memory is half of PyTorch's process, and
fovea's is that of its process too. Needs python3-torch, python3-torchvision, python3-pil."""
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
TARGET, BF16_TARGET = 2.5, 1.5
KINDS = ("eager", "channels-last", "bf16", "bf16-channels-last")
STYLE, CONTENT, LAST = (1, 6, 11, 20, 29), 22, 29  # of torchvision's vgg19.features: relu1_1 … relu5_1, relu4_2


def torch_times(kind, side, steps, threads):
    """Milliseconds of each evaluation, in this process."""
    import torch
    from torchvision.models import vgg
    torch.set_num_threads(threads)
    layout = torch.channels_last if kind.endswith("channels-last") else torch.contiguous_format
    network = vgg.make_layers(vgg.cfgs["E"])[:LAST + 1].eval().to(memory_format=layout)
    for module in network:
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    for parameter in network.parameters():
        if parameter.dim() > 1:  # He's: answers keep their size, so that no number is denormal
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        parameter.requires_grad_(False)
    picture = torch.randn(1, 3, side, side).to(memory_format=layout)
    targets = {}

    def tapped(x, wanted):
        found = {}
        for number, module in enumerate(network):
            x = module(x)
            if number in wanted:
                found[number] = x
        return found

    def gram(maps):
        flat = maps.float().reshape(maps.shape[1], -1)
        return flat @ flat.t() / flat.shape[1]

    def loss(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=kind.startswith("bf16")):
            found = tapped(x, STYLE + (CONTENT,))
        total = ((found[CONTENT].float() - targets[CONTENT]) ** 2).sum() * 1e-3
        for layer in STYLE:
            total = total + ((gram(found[layer]) - targets[layer]) ** 2).mean()
        return total

    with torch.no_grad():
        found = tapped(picture, STYLE + (CONTENT,))
        targets[CONTENT] = found[CONTENT] * 0.5
        for layer in STYLE:
            targets[layer] = gram(found[layer]) * 0.5
        del found
    times = []
    for number in range(2 + steps):
        start = time.perf_counter()
        x = picture.detach().requires_grad_(True)
        loss(x).backward()
        if number >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    return times


def fovea_step(options, side, folder, flags):
    from PIL import Image
    import numpy
    draw = numpy.random.RandomState(0)
    files = []
    for name in ("content", "style"):
        files.append(folder / f"{name}.png")
        Image.fromarray(draw.randint(0, 256, (side, side, 3), dtype=numpy.uint8)).save(files[-1])
    command = [options.fovea, "style", *files, "--preset", "gatys", "--optimiser", "adam", "--rate", "0.01", "--size", side, "--model",
               "zoo:vgg19", "--steps", options.steps, "-o", folder / "out.ppm", "--threads", options.threads, "--json", "--quiet", *flags]
    measured = ("import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=True); "
                "print(json.dumps([json.loads(done.stdout), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))")
    text = subprocess.run([sys.executable, "-c", measured, *(str(word) for word in command)], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    result, memory = json.loads(text)
    return result["stages"][-1]["seconds_a_step"] * 1e3, memory


def torch_step(options, side, kind):
    environment = os.environ | torch_environment(options.threads)
    command = [sys.executable, __file__, "--threads", options.threads, "--side", side, "--steps", options.steps, "--child", kind]
    result = json.loads(subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True,
                                       env=environment).stdout)
    return result["median_ms"], result["peak_mib"]


def measure(options, side):
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(options.rounds):
            found.setdefault("fovea", []).append(fovea_step(options, side, Path(scratch), []))
            if options.bf16:
                found.setdefault("fovea bf16", []).append(fovea_step(options, side, Path(scratch), ["--bf16"]))
            for kind in KINDS:
                if options.bf16 or not kind.startswith("bf16"):
                    found.setdefault(kind, []).append(torch_step(options, side, kind))
    return {key: [statistics.median(column) for column in zip(*values)] for key, values in found.items()}


def row(title, median, ours, kinds, target):
    best = min(kinds, key=lambda kind: median[kind][0])
    (time_ours, memory_ours), (time_peer, memory_peer) = median[ours], median[best]
    print(f"| {title} | {time_ours:.4g} | {time_peer:.4g} | {best} | {time_peer / time_ours:.2f} | {target} | {memory_ours:.0f} | "
          f"{memory_peer:.0f} | {100 * memory_ours / memory_peer:.0f} % |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fovea", type=Path, default=ROOT / "build" / "release" / "fovea")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--side", type=int, action="append")
    parser.add_argument("--bf16", action="store_true", help="the rows in bf16 too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sides = options.side or [512, 1024]
    if options.child:
        times = torch_times(options.child, sides[0], options.steps, options.threads)
        print(json.dumps({"median_ms": statistics.median(times),
                          "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    print("| step | fovea ms | PyTorch ms | its form | ratio | target | fovea MiB | PyTorch MiB | of it |")
    print("|---|---|---|---|---|---|---|---|---|")
    for side in sides:
        median = measure(options, side)
        row(f"style VGG-19 {side}x{side}", median, "fovea", KINDS[:2], TARGET)
        if options.bf16:
            row(f"style VGG-19 {side}x{side}, bf16", median, "fovea bf16", KINDS[2:], BF16_TARGET)


if __name__ == "__main__":
    main()
