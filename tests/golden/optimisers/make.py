#!/usr/bin/env python3
"""Trajectories of PyTorch's optimisers on a small network in double, for tests/train/optimiser_test.cpp.

conv 1→3 3x3, ReLU, linear 48→4, softmax cross-entropy (mean) on 8 fixed pictures of 6x6. Written are, for each recipe
and after 1, 5 and 50 steps, the loss before the step and all weights' sums and some of their values.
Run with Debian 12's python3-torch (1.13.1)."""
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent


def uniform(name, count):
    h = 0xCBF29CE484222325
    mask = 0xFFFFFFFFFFFFFFFF
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & mask
    out = []
    for i in range(count):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        out.append((z >> 40) * 2.0**-24 * 2 - 1)
    return out


def tensor(name, *shape):
    count = 1
    for s in shape:
        count *= s
    return torch.tensor(uniform(name, count), dtype=torch.float64).reshape(shape)


RECIPES = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.0),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.002, alpha=0.99, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "clipped": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "biases": lambda p: torch.optim.SGD(
        [{"params": [t for t in p if t.dim() > 1], "lr": 0.05, "weight_decay": 1e-2},
         {"params": [t for t in p if t.dim() <= 1], "lr": 0.05 * 8, "weight_decay": 1e-2 / 8}],
        lr=0.05, momentum=0.9),
}

lines = []
for recipe, make in RECIPES.items():
    w = {"conv.weight": tensor("conv.weight", 3, 1, 3, 3), "conv.bias": tensor("conv.bias", 3),
         "fc.weight": tensor("fc.weight", 4, 48) * 0.3, "fc.bias": tensor("fc.bias", 4)}
    for t in w.values():
        t.requires_grad_(True)
    x, labels = tensor("x", 8, 1, 6, 6), torch.arange(8) % 4
    optimiser = make(list(w.values()))
    for step in range(1, 51):
        optimiser.zero_grad()
        h = F.relu(F.conv2d(x, w["conv.weight"], w["conv.bias"]))
        loss = F.cross_entropy(F.linear(h.flatten(1), w["fc.weight"], w["fc.bias"]), labels)
        loss.backward()
        if recipe == "clipped":
            torch.nn.utils.clip_grad_norm_(list(w.values()), 0.1)
        optimiser.step()
        if step in (1, 5, 50):
            flat = torch.cat([t.detach().reshape(-1) for t in w.values()])
            values = [flat.sum(), *flat[::13]]
            lines.append(f"{recipe} {step} {loss.item():.17g} " + " ".join(f"{v.item():.17g}" for v in values))

# Lookahead around Nesterov's momentum, 50 updates, the slow weights met every 4: in NumPy, from the paper's algorithm 1.
import numpy

w = {name: t.detach().numpy() for name, t in
     {"conv.weight": tensor("conv.weight", 3, 1, 3, 3), "conv.bias": tensor("conv.bias", 3),
      "fc.weight": tensor("fc.weight", 4, 48) * 0.3, "fc.bias": tensor("fc.bias", 4)}.items()}
slow = {name: v.copy() for name, v in w.items()}
velocity = {name: numpy.zeros_like(v) for name, v in w.items()}
for step in range(1, 51):
    t = {name: torch.tensor(v, requires_grad=True) for name, v in w.items()}
    h = F.relu(F.conv2d(x, t["conv.weight"], t["conv.bias"]))
    loss = F.cross_entropy(F.linear(h.flatten(1), t["fc.weight"], t["fc.bias"]), labels)
    loss.backward()
    for name in w:
        g = t[name].grad.numpy()
        velocity[name] = 0.9 * velocity[name] + g
        w[name] = w[name] - 0.05 * (g + 0.9 * velocity[name])
        if step % 4 == 0:
            d = 0.95**5 * (step / 50) ** 3
            slow[name] = d * slow[name] + (1 - d) * w[name]
            w[name] = slow[name].copy()
        if step == 50:
            w[name] = slow[name].copy()
    if step in (1, 5, 50):
        flat = numpy.concatenate([v.reshape(-1) for v in w.values()])
        lines.append(f"lookahead {step} {loss.item():.17g} " + " ".join(f"{v:.17g}" for v in [flat.sum(), *flat[::13]]))
(HERE / "trajectories.txt").write_text("\n".join(lines) + "\n")
