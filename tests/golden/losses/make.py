#!/usr/bin/env python3
"""Values and gradients of PyTorch's losses in double, for tests/train/losses_test.cpp.

Logits [6,5] are 4 · uniform("logits"), or 400 times that ("wide"), or with samples 1 and 4 left out ("partial");
labels 3 0 4 4 1 2. A line: the loss's name, the form, the mean loss, its gradient with respect to all logits. Crammer
and Singer's hinge is written out here with PyTorch's differentiation, everything else is a function of PyTorch.
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


def one_hot(z, y):
    return F.one_hot(y, z.shape[1]).to(z.dtype)


def crammer_singer(z, y, margin, power):
    right = z.gather(1, y[:, None])[:, 0]
    rival = z.masked_fill(one_hot(z, y).bool(), -float("inf")).max(1).values
    return torch.clamp(margin + rival - right, min=0).pow(power).mean()


LOSSES = {
    "cross_entropy": lambda z, y: F.cross_entropy(z, y),
    "smoothed_0.1": lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1),
    "smoothed_1": lambda z, y: F.cross_entropy(z, y, label_smoothing=1.0),
    "logistic": lambda z, y: F.binary_cross_entropy_with_logits(z, one_hot(z, y), reduction="none").sum(1).mean(),
    "squared": lambda z, y: 0.5 * F.mse_loss(z, one_hot(z, y), reduction="none").sum(1).mean(),
    "weston_watkins": lambda z, y: F.multi_margin_loss(z, y),
    "weston_watkins_margin": lambda z, y: F.multi_margin_loss(z, y, margin=2.5),
    "weston_watkins_squared": lambda z, y: F.multi_margin_loss(z, y, p=2, margin=1.5),
    "crammer_singer": lambda z, y: crammer_singer(z, y, 1.0, 1),
    "crammer_singer_squared": lambda z, y: crammer_singer(z, y, 2.0, 2),
}

labels = torch.tensor([3, 0, 4, 4, 1, 2])
lines = []
for name, loss in LOSSES.items():
    for form, scale, kept in (("plain", 4, range(6)), ("wide", 400, range(6)), ("partial", 4, (0, 2, 3, 5))):
        z = (torch.tensor(uniform("logits", 30), dtype=torch.float64).reshape(6, 5) * scale).requires_grad_(True)
        kept = torch.tensor(list(kept))
        value = loss(z[kept], labels[kept])
        value.backward()
        numbers = [value.detach(), *z.grad.reshape(-1)]
        lines.append(f"{name} {form} " + " ".join(f"{v.item():.17g}" for v in numbers))
(HERE / "losses.txt").write_text("\n".join(lines) + "\n")
