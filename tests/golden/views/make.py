#!/usr/bin/env python3
"""Top patches and an effective field as PyTorch computes them, for tests/insight/views_golden_test.cpp.

The network: conv 3→6 5×5 stride 2 padding 2, ReLU, max pooling 3×3 stride 2 (rounded up), conv 6→8 3×3 padding 1, ReLU,
conv 8→5 3×3, on pictures of 33 × 30. Weights, biases and 8-bit pictures are those of the formula in tests/formula.h.
Lines: "top" unit rank picture score y x; "support" y x top bottom left right of the last layer's first unit, from
the gradient with all weights set to 1; "energy" followed by the mean over the runs of |g|² / Σ|g|² in rows.
Run with Debian 12's python3-torch (1.13.1)."""
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
HEIGHT, WIDTH, PICTURES, TOP, RUNS = 33, 30, 12, 4, 10
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
    return out


def tensor(name, *shape):
    count = 1
    for s in shape:
        count *= s
    values = torch.tensor(formula(name, count)) * 2 - 1
    return values.float().double().reshape(shape)


SHAPES = {"a": (6, 3, 5, 5), "b": (8, 6, 3, 3), "c": (5, 8, 3, 3)}


def network(x, ones=False):
    w = {k: torch.ones(s) if ones else tensor(k, *s) for k, s in SHAPES.items()}
    bias = {k: torch.zeros(s[0]) if ones else tensor(k + " bias", s[0]) for k, s in SHAPES.items()}
    x = F.relu(F.conv2d(x, w["a"], bias["a"], stride=2, padding=2))
    # Averages have the maxima's support, and hand a gradient to all of it.
    x = F.avg_pool2d(x, 3, 2, ceil_mode=True) if ones else F.max_pool2d(x, 3, 2, ceil_mode=True)
    x = F.relu(F.conv2d(x, w["b"], bias["b"], padding=1))
    return F.conv2d(x, w["c"], bias["c"])


def picture(i):
    bytes_ = [int(v * 256) for v in formula(f"picture {i}", 3 * HEIGHT * WIDTH)]  # [y][x][channel]
    return (torch.tensor(bytes_).double() / 255).reshape(HEIGHT, WIDTH, 3).permute(2, 0, 1)[None].contiguous()


lines = []
pictures = [picture(i) for i in range(PICTURES)]
values = [network(p)[0] for p in pictures]
units, height, width = values[0].shape
for unit in range(units):
    peaks = []
    for i, v in enumerate(values):
        at = int(v[unit].argmax())
        peaks.append((-float(v[unit].flatten()[at]), i, at // width, at % width))
    for rank, (score, i, y, x) in enumerate(sorted(peaks)[:TOP]):
        lines.append(f"top {unit} {rank} {i} {-score:.9g} {y} {x}")

probe = torch.ones(1, 3, HEIGHT, WIDTH, requires_grad=True)
maps = network(probe, ones=True)
for y in range(height):
    for x in range(width):
        g = torch.autograd.grad(maps[0, 0, y, x], probe, retain_graph=True)[0][0].abs().sum(0)
        rows, columns = g.sum(1).nonzero().flatten(), g.sum(0).nonzero().flatten()
        lines.append(f"support {y} {x} {int(rows[0])} {int(rows[-1]) + 1} {int(columns[0])} {int(columns[-1]) + 1}")

energy = torch.zeros(HEIGHT, WIDTH)
for run in range(RUNS):
    x = pictures[run % 3].clone().requires_grad_(True)
    g = torch.autograd.grad(network(x)[0, run % units, 1, 2], x)[0][0]
    e = (g * g).sum(0)
    energy += e / e.sum() / RUNS
lines += ["energy " + " ".join(f"{v:.9g}" for v in row) for row in energy.tolist()]
(HERE / "views.txt").write_text("\n".join(lines) + "\n")
