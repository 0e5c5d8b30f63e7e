#!/usr/bin/env python3
"""Golden activations of torchvision's networks (0.14) with weights made by a formula, so that no weights are kept.

Every tensor is a function of its name and index: h = FNV-1a(name), u(i) = splitmix64(h + i * golden) >> 40, scaled to
[0, 1); see `formula` for what becomes of it. tests/model/torchvision_golden_test.cpp computes the same numbers.
Written are, one file a network, a line for each named stage: name, shape, Euclidean norm, and 64 values spread evenly;
then the logits (all of them) and the gradient of a fixed combination of the logits with respect to the picture. A unit
that sits on the kink of a ReLU or a pooling can fall on either side by rounding, and then changes the gradient of all
pixels that it sees: PyTorch's own gradients in f32 and f64 differ by 4e-3 on most pictures. So the first picture is
taken on which they agree to 1e-4 (its number is in the file's first line).

Run with Debian 12's python3-torch (1.13.1) and python3-torchvision (0.14.1): ./make.py [network ...]
"""
import math
import pathlib
import sys

import numpy as np
import torch
import torchvision

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = ["alexnet", "vgg11", "vgg16_bn", "vgg19", "resnet18", "resnet50", "googlenet", "squeezenet1_0", "squeezenet1_1", "densenet121"]
SAMPLES = 64
FIRST = {"googlenet": 10}  # on picture 9 the two agree by luck: PyTorch's other layout and other programs do not


def uniform(name: str, count: int) -> np.ndarray:
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def formula(name: str, shape) -> np.ndarray:
    shape = tuple(shape)
    u = uniform(name, math.prod(shape))
    if name.endswith("running_var"):
        v = 0.5 + u
    elif len(shape) >= 2:
        v = (2 * u - 1) * math.sqrt(6.0 / math.prod(shape[1:]))
    elif name.endswith("weight"):
        v = 0.75 + 0.5 * u
    else:
        v = (2 * u - 1) * 0.1
    return v.astype(np.float32).reshape(shape)


def picture(side: int, batch: int = 1, number: int = 0) -> np.ndarray:
    shape = (batch, 3, side, side)
    return ((2 * uniform(f"picture {number}", math.prod(shape)) - 1) * 2).astype(np.float32).reshape(shape)


def load(name: str):
    extra = {"aux_logits": False, "transform_input": True} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(weights=None, **extra, **({"init_weights": False} if name == "googlenet" else {}))
    state = {k: torch.from_numpy(formula(k, v.shape)) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict(state)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


def wanted(name: str, network: str) -> bool:
    """Modules that are stages: convolutions of plain networks, blocks of the others."""
    depth = name.count(".")
    if network in ("alexnet", "vgg11", "vgg16_bn", "vgg19"):
        return depth == 1
    if network.startswith("squeezenet"):
        return depth == 1
    if network.startswith("resnet"):
        return name in ("conv1", "bn1", "maxpool") or (depth == 1 and name.startswith("layer"))
    if network == "googlenet":
        return depth == 0 and name not in ("avgpool", "dropout", "fc")
    return depth == 1 and name.startswith("features.") or (depth == 2 and name.endswith(("denselayer1", "denselayer6")))


def line(kind: str, name: str, value: torch.Tensor) -> str:
    flat = value.detach().double().reshape(-1).numpy()
    at = [k * len(flat) // SAMPLES for k in range(SAMPLES)] if kind != "logits" else range(len(flat))
    numbers = " ".join(f"{flat[k]:.9g}" for k in at)
    return f"{kind} {name} {'x'.join(map(str, value.shape))} {np.linalg.norm(flat):.12g} {numbers}\n"


def loss(logits: torch.Tensor) -> torch.Tensor:
    direction = (2 * uniform("direction", logits.numel()) - 1).astype(np.float32)
    return (logits.reshape(-1) * torch.from_numpy(direction).to(logits.dtype)).sum()


def gradient(model, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_(True)
    loss(model(x)).backward()
    return x.grad.double()


def settled_picture(network: str, most: int = 40) -> int:
    single, double = load(network).eval(), load(network).eval().double()
    best = (math.inf, 0)
    for number in range(FIRST.get(network, 0), most):
        x = torch.from_numpy(picture(224, number=number))
        want = gradient(double, x.double())
        away = float((gradient(single, x) - want).norm() / want.norm())
        best = min(best, (away, number))
        if away < 1e-4:
            break
    print(network, "picture", best[1], "f32 against f64", best[0], flush=True)
    return best[1]


def write(network: str) -> None:
    torch.manual_seed(0)
    number = settled_picture(network)
    model = load(network).eval()
    lines = [f"picture {number} 1 0\n"]
    for name, module in model.named_modules():
        if name and wanted(name, network):
            def hook(_, __, out, name=name):
                if torch.is_tensor(out) and out.dim() == 4:
                    lines.append(line("stage", name, out))
            module.register_forward_hook(hook)
    x = torch.from_numpy(picture(224, number=number)).requires_grad_(True)
    logits = model(x)
    lines.append(line("logits", "scores", logits))
    loss(logits).backward()
    lines.append(line("gradient", "input", x.grad))
    (HERE / f"{network}.txt").write_text("".join(lines))


def write_training(network: str) -> None:
    """One step's forward pass in training mode, batch 4 of 64x64: batch statistics, and what they leave behind."""
    model = load(network).train()
    x = torch.from_numpy(picture(64, 4)).requires_grad_(True)
    logits = model(x)
    lines = [line("logits", "scores", logits)]
    loss(logits).backward()
    lines.append(line("gradient", "input", x.grad))
    lines.append(line("gradient", "conv1.weight", model.conv1.weight.grad))
    for name, value in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")) and ("layer4" in name or name.startswith("bn1")):
            lines.append(line("state", name, value))
    (HERE / f"{network}_training.txt").write_text("".join(lines))
    print(network, "training", len(lines), "lines")


if __name__ == "__main__":
    torch.set_num_threads(2)
    for network in sys.argv[1:] or NETWORKS:
        write(network)
    if not sys.argv[1:] or "resnet18" in sys.argv[1:]:
        write_training("resnet18")
