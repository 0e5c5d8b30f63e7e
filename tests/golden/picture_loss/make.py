#!/usr/bin/env python3
"""Losses of pictures and their gradients as PyTorch computes them in double, for tests/insight/loss_golden_test.cpp.

The network, VGG's first layers in small: conv 3→8, ReLU (a), conv 8→8, ReLU (b), max pooling 2×2, conv 8→16, ReLU (c), conv
16→12, ReLU (d), all 3×3 with padding 1, on BGR levels. Weights w are (2u − 1) · √(6 / inputs·9), biases (2u − 1) · 4, levels
(u − ½) · 200, with u of the formula in tests/formula.h; the pictures are 22 × 26 (result) and 18 × 20 (style).
A line a case: name, loss, Euclidean norm of its gradient by the levels, and the gradient's elements 0, 97, 194, ….
Run with Debian 12's python3-torch (1.13.1)."""
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
torch.set_default_dtype(torch.float64)


def formula(name, count):
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
        out.append((z >> 40) * 2.0**-24)
    return torch.tensor(out)


def tensor(name, scale, shift, *shape):
    count = 1
    for s in shape:
        count *= s
    return ((formula(name, count) - shift) * scale).float().double().reshape(shape)


LAYERS = [("a", 3, 8), ("b", 8, 8), ("c", 8, 16), ("d", 16, 12)]


def maps(levels):
    out, x = {}, levels[:, [2, 1, 0]]
    for name, inputs, outputs in LAYERS:
        if name == "c":
            x = F.max_pool2d(x, 2)
        weight = tensor(name, 2 * (6 / (inputs * 9)) ** 0.5, 0.5, outputs, inputs, 3, 3)
        x = F.relu(F.conv2d(x, weight, tensor(name + " bias", 8, 0.5, outputs), padding=1))
        out[name] = x
    return out


def flat(f):
    return f[0].reshape(f.shape[1], -1)


def gram(f):
    return flat(f) @ flat(f).T


def gatys(f, s):
    n, m, ms = f.shape[1], flat(f).shape[1], flat(s).shape[1]
    return ((gram(f) / m - gram(s) / ms) ** 2).sum() / (4 * n * n)


def johnson(f, s):
    return F.mse_loss(gram(f) / f[0].numel(), gram(s) / s[0].numel())


def mean(f, s):
    return F.mse_loss(gram(f) / flat(f).shape[1], gram(s) / flat(s).shape[1])


def root(a):
    values, vectors = torch.linalg.eigh(a)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def w2(f, s):
    n = f.shape[1]

    def moments(x):
        mu = flat(x).mean(1)
        return mu, gram(x) / flat(x).shape[1] - torch.outer(mu, mu)

    (mu, cov), (mu_s, cov_s) = moments(f), moments(s)
    eps = 1e-4 * torch.trace(cov_s) / n * torch.eye(n)
    cov, cov_s = cov + eps, cov_s + eps
    r = root(cov_s)
    mixed = torch.linalg.eigvalsh(r @ cov @ r).sqrt().sum()
    return (((mu - mu_s) ** 2).sum() + torch.trace(cov) + torch.trace(cov_s) - 2 * mixed) / n


levels = tensor("levels", 200, 0.5, 1, 3, 22, 26)
style = {k: v.detach() for k, v in maps(tensor("style", 200, 0.5, 1, 3, 18, 20)).items()}
content = {k: v.detach() for k, v in maps(tensor("content", 200, 0.5, 1, 3, 22, 26)).items()}
cases = {}
for name, form in (("gatys", gatys), ("johnson", johnson), ("mean", mean), ("w2", w2)):
    cases[name] = lambda f, form=form: sum(form(f[k], style[k]) for k in "abcd")
cases["content gatys"] = lambda f: 0.5 * ((f["c"] - content["c"]) ** 2).sum()
cases["content mean"] = lambda f: F.mse_loss(f["c"], content["c"])
region = tensor("region", 1, 0, 1, 1, 11, 13)


def guided(f):
    t = f["d"] * region
    return ((gram(t) / (region**2).sum() - gram(style["d"]) / flat(style["d"]).shape[1]) ** 2).sum() / (4 * 12 * 12)


cases["region"] = guided
# jcjohnson/neural-style: its gradient by the maps, divided by its sum of absolute values.
with open(HERE / "picture_loss.txt", "w") as out:
    for name, loss in cases.items():
        x = levels.clone().requires_grad_()
        value = loss(maps(x))
        (g,) = torch.autograd.grad(value, x)
        numbers = [value.item(), g.norm().item(), *g.flatten()[::97].tolist()]
        print(name.replace(" ", "_"), *(f"{v:.9g}" for v in numbers), file=out)
    x = levels.clone().requires_grad_()
    f = maps(x)
    total = 0
    for k, weight in (("b", 3.0), ("d", 5.0)):
        own = johnson(f[k], style[k])
        (g,) = torch.autograd.grad(own, f[k], retain_graph=True)
        total = total + (f[k] * (weight * g / (g.abs().sum() + 1e-8)).detach()).sum()
    (g,) = torch.autograd.grad(total, x)
    numbers = [0, g.norm().item(), *g.flatten()[::97].tolist()]
    print("normalised", *(f"{v:.9g}" for v in numbers), file=out)
