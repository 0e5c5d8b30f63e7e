#!/usr/bin/env python3
"""Makes scores.txt of tests/model/zoo_scores_test.cpp: what PyTorch computes with networks of the zoo.

torchvision's networks as they are; the CIFAR ones are written down here from their papers. Weights and pictures follow
a formula of a tensor's name and an element's index (`number`), so that no weights are kept. A line a network: name,
height and width of the picture, number of scores, then 40 of them, evenly spread. Computed in double.
Made with PyTorch 1.13 and torchvision 0.14 (Debian 12). Run in this folder: python3 make.py
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.models as models
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
M = np.uint64


def number(name, count):
    """Uniform in [0, 1), 24 bits: splitmix64 of the name's FNV-1a hash plus the index times its increment."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        x = M(key) + np.arange(count, dtype=np.uint64) * M(0x9E3779B97F4A7C15)
        x = (x ^ (x >> M(30))) * M(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> M(27))) * M(0x94D049BB133111EB)
        x = x ^ (x >> M(31))
    return (x >> M(40)).astype(np.float64) / 2**24


def fill(network):
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        u = number(name, tensor.numel())
        if tensor.dim() > 1:
            u = (2 * u - 1) * math.sqrt(6 / (tensor.numel() / tensor.shape[0]))
        elif name.endswith("bias") or name.endswith("running_mean"):
            u = 0.1 * (2 * u - 1)
        else:
            u = 0.75 + 0.5 * u
        tensor.copy_(torch.from_numpy(u.astype(np.float32)).reshape(tensor.shape))


def conv(i, o, kernel, stride=1):
    return nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False)


class Residual(nn.Module):
    """He et al. 2015, section 4.2; scale: stochastic depth at inference."""

    def __init__(self, i, o, stride, projection, scale):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv(o, o, 3), nn.BatchNorm2d(o)
        self.missing, self.stride, self.scale = o - i, stride, scale
        if projection and i != o:
            self.shortcut = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "shortcut"):
            x = self.shortcut(x)
        elif self.missing:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.missing // 2, self.missing // 2))
        return F.relu(self.scale * y + x)


class PreActivation(nn.Module):
    """He et al. 2016: full pre-activation bottleneck; blocks that change sizes share their first activation."""

    def __init__(self, i, width, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), conv(i, width, 1, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width, 3)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), conv(width, 4 * width, 1)
        if i != 4 * width:
            self.shortcut = nn.Sequential(conv(i, 4 * width, 1, stride))

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv3(F.relu(self.bn3(self.conv2(F.relu(self.bn2(self.conv1(a)))))))
        return y + (self.shortcut(a) if hasattr(self, "shortcut") else x)


class CifarResidual(nn.Module):
    def __init__(self, n, projection=False, pre=False, last=1.0):
        super().__init__()
        self.pre, self.conv1, i = pre, conv(3, 16, 3), 16
        if not pre:
            self.bn1 = nn.BatchNorm2d(16)
        for k, width in enumerate((16, 32, 64)):
            blocks = []
            for b in range(n):
                stride = 2 if b == 0 and k else 1
                share = (k * n + b + 1) / (3 * n)
                blocks.append(PreActivation(i, width, stride) if pre
                              else Residual(i, width, stride, projection, 1 - share * (1 - last)))
                i = 4 * width if pre else width
            setattr(self, f"layer{k + 1}", nn.Sequential(*blocks))
        if pre:
            self.bn = nn.BatchNorm2d(i)
        self.linear = nn.Linear(i, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = x if self.pre else F.relu(self.bn1(x))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.relu(self.bn(x)) if self.pre else x
        return self.linear(x.mean((2, 3)))


class Recipe(nn.Module):
    """A network given by the modules that have weights and a function of them by name."""

    def __init__(self, modules, forward):
        super().__init__()
        for name, module in modules.items():
            place, parts = self, name.split(".")
            for part in parts[:-1]:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.add_module(parts[-1], module)
        self.named, self.steps = modules, forward

    def forward(self, x):
        return self.steps(self.named, x)


def fractal(blocks, columns, width):
    """Larsson et al. 2017, followed step by step: column c ends a layer every 2^(columns - c) steps."""
    modules, i = {}, 3
    for b in range(1, blocks + 1):
        o = width * min(2 ** (b - 1), 8)
        for c in range(1, columns + 1):
            for k in range(1, 2 ** (c - 1) + 1):
                modules[f"block{b}.column{c}.conv{k}"] = conv(i if k == 1 else o, o, 3)
                modules[f"block{b}.column{c}.bn{k}"] = nn.BatchNorm2d(o)
        i = o
    modules["fc"] = nn.Linear(i, 10)

    def forward(m, x):
        for b in range(1, blocks + 1):
            at = {c: x for c in range(1, columns + 1)}
            for step in range(1, 2 ** (columns - 1) + 1):
                ending = [c for c in at if step % 2 ** (columns - c) == 0]
                for c in ending:
                    name, k = f"block{b}.column{c}.", step // 2 ** (columns - c)
                    at[c] = F.relu(m[f"{name}bn{k}"](m[f"{name}conv{k}"](at[c])))
                mean = sum(at[c] for c in ending) / len(ending)
                at.update({c: mean for c in ending})
            x = F.max_pool2d(at[columns], 2)
        return m["fc"](x.flatten(1))

    return Recipe(modules, forward)


def allcnn():
    sizes = [(3, 96, 3, 1, 1), (96, 96, 3, 1, 1), (96, 96, 3, 2, 1), (96, 192, 3, 1, 1), (192, 192, 3, 1, 1),
             (192, 192, 3, 2, 1), (192, 192, 3, 1, 0), (192, 192, 1, 1, 0), (192, 10, 1, 1, 0)]

    def forward(m, x):
        for module in m.values():
            x = F.relu(module(x))
        return x.mean((2, 3))

    return Recipe({f"conv{k + 1}": nn.Conv2d(*s) for k, s in enumerate(sizes)}, forward)


def highway():
    widths, modules, i = [32] * 3 + [48] * 2 + [80] * 6 + [128] * 6, {}, 3
    for k, o in enumerate(widths, 1):
        modules[f"layer{k}.plain"] = nn.Conv2d(i, o, 3, padding=1)
        if i == o:
            modules[f"layer{k}.transform"] = nn.Conv2d(i, o, 3, padding=1)
        i = o
    modules["layer18.plain"], modules["fc"] = nn.Linear(128, 500), nn.Linear(500, 10)

    def forward(m, x):
        for k in range(1, 18):
            h = F.relu(m[f"layer{k}.plain"](x))
            if f"layer{k}.transform" in m:
                t = torch.sigmoid(m[f"layer{k}.transform"](x))
                h = h * t + x * (1 - t)
            x = F.max_pool2d(h, 2) if k in (5, 11) else h
        return m["fc"](F.relu(m["layer18.plain"](x.amax((2, 3)))))

    return Recipe(modules, forward)


def cifar_dense(layers, growth, start, bottleneck):
    """Huang et al. 2017, section 3, at inference."""
    modules, i = {"features.conv0": conv(3, start, 3)}, start
    for b in (1, 2, 3):
        for k in range(1, layers + 1):
            name = f"features.denseblock{b}.denselayer{k}."
            modules[name + "norm1"] = nn.BatchNorm2d(i)
            modules[name + "conv1"] = conv(i, 4 * growth, 1) if bottleneck else conv(i, growth, 3)
            if bottleneck:
                modules[name + "norm2"], modules[name + "conv2"] = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)
            i += growth
        if b < 3:
            o = i // 2 if bottleneck else i
            modules[f"features.transition{b}.norm"] = nn.BatchNorm2d(i)
            modules[f"features.transition{b}.conv"] = conv(i, o, 1)
            i = o
    modules["features.norm4"], modules["classifier"] = nn.BatchNorm2d(i), nn.Linear(i, 10)

    def forward(m, x):
        x = m["features.conv0"](x)
        for b in (1, 2, 3):
            for k in range(1, layers + 1):
                name = f"features.denseblock{b}.denselayer{k}."
                y = m[name + "conv1"](F.relu(m[name + "norm1"](x)))
                if bottleneck:
                    y = m[name + "conv2"](F.relu(m[name + "norm2"](y)))
                x = torch.cat((x, y), 1)
            if b < 3:
                name = f"features.transition{b}."
                x = F.avg_pool2d(m[name + "conv"](F.relu(m[name + "norm"](x))), 2)
        return m["classifier"](F.relu(m["features.norm4"](x)).mean((2, 3)))

    return Recipe(modules, forward)


NETWORKS = [("resnet18", models.resnet18, 65, 48), ("resnet50", models.resnet50, 65, 48),
            ("densenet121", models.densenet121, 65, 48),
            ("resnet20_cifar", lambda: CifarResidual(3), 13, 16),
            ("resnet20_cifar_b", lambda: CifarResidual(3, projection=True), 13, 16),
            ("resnet110_stochastic_cifar", lambda: CifarResidual(18, last=0.5), 9, 8),
            ("preresnet164_cifar", lambda: CifarResidual(18, pre=True), 9, 8),
            ("densenet40_cifar", lambda: cifar_dense(12, 12, 16, False), 16, 13),
            ("densenet100bc_cifar", lambda: cifar_dense(16, 12, 24, True), 16, 13),
            ("fractalnet40_cifar", lambda: fractal(5, 4, 16), 32, 32),
            ("allcnn_cifar", allcnn, 17, 20), ("highway_cifar", highway, 13, 17)]

with open(os.path.join(HERE, "scores.txt"), "w") as out, torch.no_grad():
    for name, make, height, width in NETWORKS:
        network = make()
        fill(network)
        picture = torch.from_numpy(4 * number("picture", 3 * height * width) - 2).float().double()
        scores = network.double().eval()(picture.reshape(1, 3, height, width))[0]
        chosen = scores[:: max(1, len(scores) // 40)][:40]
        print(name, height, width, len(scores), *(f"{v:.9g}" for v in chosen.tolist()), file=out)
