#!/usr/bin/env python3
"""Makes golden.txt of tests/insight/preimage_golden_test.cpp: objectives, penalties, parametrisations and update rules of
inversion and maximisation by PyTorch, on a small random network.

Pixels 0..255 minus MEAN, divided by 255 and by STD - conv1 3x3, 3 -> 6, pad 1 - relu - max pool 2x2 - conv2 3x3, 6 -> 8 -
relu ("relu2") - global average - linear -> 5. The picture is 3x10x12; conv2 is 8x3x4. Everything is computed in double
with weights and starts that are floats.

A line a tensor: name, its sizes with an x between, its values. The weights, "start" [2,3,10,12], "wide" [2,3,12,14] (the
same kind of levels with a margin of 1), "target" (a picture's answers at conv2 for both starts), "amplitudes"
[2,3,2,10,7], "random" (weights 2x3x10x12 of a sum over a parametrisation's levels). Then values [2] and gradients with
respect to the levels (for the parametrisations: to the amplitudes, and to the pixels bounded by the sigmoid):
  reconstruction  -|f - target|^2 / |target|^2 at conv2, of "wide" seen with a shift of 1 row down and 1 column left
  tv-BETA-FORM, alpha-ALPHA-FORM  penalties of "start" / 255, in the forms of fovea/insight/image_prior.h
  inversion       300 reconstruction - 4 tv-2-mean - 0.5 alpha-6-pixel of "wide", its penalties with the margin
  channel         the mean of conv2's unit 3;  neuron  of unit 2 at row 1, column 2;  class  score 4
  fourier, sigmoid  the levels, and the gradient of the sum of "random" x levels
  momentum, adaptive, adam  "start" after five steps on inversion without margin and views, rates RATES; momentum and
                  adaptive also as "-bound", every colour kept within 60 levels of the centre; "stages" and
                  "adaptive-stages": two stages of 2 and 3 steps, the second at half the rate with its momentum begun
                  anew; the sums of squares of adaptive go on, as nnpreimage's code has it
Written from the formulas of the papers that the headers name, not from other implementations.

Made with PyTorch 1.13 (Debian 12). Run in this folder: /usr/bin/python3 make.py
"""
import os

import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN = torch.tensor([0.48, 0.45, 0.4]).double()[None, :, None, None]
STD = torch.tensor([0.23, 0.22, 0.24]).double()[None, :, None, None]
ROOT = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]).double()
RATES = {"momentum": 2.0, "adaptive": 40.0, "adam": 3.0}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8, 5)

    def codes(self, levels):
        return self.conv2(F.max_pool2d(F.relu(self.conv1(levels / 255 / STD)), 2))

    def scores(self, levels):
        return self.fc(F.relu(self.codes(levels)).mean((2, 3)))


def per_picture(x):
    return x.flatten(1).sum(1)


def power(squares, exponent):
    return squares ** exponent if exponent == round(exponent) else squares.clamp(min=1e-6) ** exponent


def total_variation(x, beta=2.0, form="mean"):
    dx, dy = x[:, :, :, 1:] - x[:, :, :, :-1], x[:, :, 1:] - x[:, :, :-1]
    pixels = x.shape[2] * x.shape[3]
    if form == "anisotropic":
        if beta == 1:
            return per_picture(dx.abs()) + per_picture(dy.abs())
        return per_picture(power(dx ** 2, beta / 2)) + per_picture(power(dy ** 2, beta / 2))
    if form == "interior":
        return per_picture(power(dx[:, :, :-1] ** 2 + dy[:, :, :, :-1] ** 2, beta / 2))
    total = per_picture(power(F.pad(dx, (0, 1)) ** 2 + F.pad(dy, (0, 0, 0, 1)) ** 2, beta / 2))
    return total / pixels if form == "mean" else total / 2 if form == "half" else total


def alpha_norm(x, alpha=6.0, form="pixel"):
    pixels = x.shape[2] * x.shape[3]
    if form == "pixel":
        return per_picture(power((x ** 2).sum(1, keepdim=True), alpha / 2)) / pixels
    total = per_picture(power(x ** 2, alpha / 2))
    return total / pixels if form == "mean" else total


def main():
    torch.manual_seed(15)
    network = Network().double()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_((0.5 * torch.randn(tensor.shape)).float().double())
    start = (45 * torch.randn(2, 3, 10, 12)).float().double()
    wide = (45 * torch.randn(2, 3, 12, 14)).float().double()
    amplitudes = (0.3 * torch.randn(2, 3, 2, 10, 7)).float().double()
    random = torch.randn(2, 3, 10, 12).float().double()
    with torch.no_grad():
        target = network.codes((50 * torch.randn(1, 3, 10, 12)).double()).float().double().repeat(2, 1, 1, 1)

    def reconstruction(levels):
        return -per_picture((network.codes(levels) - target) ** 2) / per_picture(target ** 2)

    def inversion(levels, view=lambda x: x):
        x = levels / 255
        return 300 * reconstruction(view(levels)) - 4 * total_variation(x) - 0.5 * alpha_norm(x)

    def shifted(levels):
        return levels[:, :, 1 + 1:1 + 1 + 10, 1 - 1:1 - 1 + 12]

    with open(os.path.join(HERE, "golden.txt"), "w") as out:
        def put(name, tensor, digits):
            sizes = "x".join(str(n) for n in tensor.shape)
            out.write(f"{name} {sizes} {' '.join(f'{v:.{digits}g}' for v in tensor.detach().flatten().tolist())}\n")

        def both(name, function, x, digits=8):
            x = x.clone().requires_grad_(True)
            values = function(x)
            values.sum().backward()
            put(name, values, digits)
            put(name + "-gradient", x.grad, digits)

        for name, tensor in network.state_dict().items():
            put(name, tensor, 9)
        for name, tensor in (("start", start), ("wide", wide), ("target", target), ("amplitudes", amplitudes),
                             ("random", random)):
            put(name, tensor, 9)

        both("reconstruction", lambda x: reconstruction(shifted(x)), wide)
        for beta, form in ((2.0, "sum"), (2.0, "mean"), (2.0, "half"), (1.0, "anisotropic"), (2.0, "interior"),
                           (1.5, "mean"), (3.0, "sum")):
            both(f"tv-{beta:g}-{form}", lambda x: total_variation(x / 255, beta, form), start)
        for alpha, form in ((6.0, "sum"), (6.0, "mean"), (6.0, "pixel"), (2.5, "pixel")):
            both(f"alpha-{alpha:g}-{form}", lambda x: alpha_norm(x / 255, alpha, form), start)
        both("inversion", lambda x: inversion(x, shifted), wide)
        both("channel", lambda x: network.codes(x)[:, 3].mean((1, 2)), start)
        both("neuron", lambda x: network.codes(x)[:, 2, 1, 2], start)
        both("class", lambda x: network.scores(x)[:, 4], start)

        centre = 255 * MEAN
        a = amplitudes.clone().requires_grad_(True)
        fy, fx = torch.fft.fftfreq(10).double()[:, None], torch.fft.rfftfreq(12).double()[None]
        scale = (10 * 12) ** 0.5 / torch.sqrt(fy ** 2 + fx ** 2).clamp(min=1 / 12)
        x = torch.fft.irfft2(torch.complex(a[:, :, 0] * scale, a[:, :, 1] * scale), s=(10, 12)) / 4
        x = torch.einsum("rc,nchw->nrhw", ROOT / ROOT.norm(dim=0).max(), x)
        levels = 255 * torch.sigmoid(x) - centre
        (levels * random).sum().backward()
        put("fourier", levels, 9)
        put("fourier-gradient", a.grad, 9)
        p = start.clone().requires_grad_(True)
        levels = 255 * torch.sigmoid(4 * p / 255) - centre
        (levels * random).sum().backward()
        put("sigmoid", levels, 9)
        put("sigmoid-gradient", p.grad, 9)

        def slope(x):
            x = x.clone().requires_grad_(True)
            (-inversion(x).sum()).backward()
            return x.grad

        def within(x, bound):
            return x * (bound / x.norm(dim=1, keepdim=True)).clamp(max=1) if bound else x

        def descend(rule, bound=0, stages=None):
            x, m, square = start.clone(), 0, 0
            for steps, rate in stages or ((5, RATES[rule]),):
                m = 0
                for _ in range(steps):
                    g = slope(x)
                    if rule == "adaptive":
                        square = 0.9 * square + g ** 2
                        m = 0.9 * m - g / (1 / rate + square.sqrt())
                    else:
                        m = 0.9 * m - rate * g
                    x = within(x + m, bound)
            return x

        put("momentum", descend("momentum"), 8)
        put("momentum-bound", descend("momentum", 60), 8)
        put("stages", descend("momentum", 0, ((2, RATES["momentum"]), (3, RATES["momentum"] / 2))), 8)
        adaptive_stages = ((2, RATES["adaptive"]), (3, RATES["adaptive"] / 2))
        put("adaptive-stages", descend("adaptive", 0, adaptive_stages), 8)
        put("adaptive", descend("adaptive"), 8)
        put("adaptive-bound", descend("adaptive", 60), 8)
        x = start.clone().requires_grad_(True)
        adam = torch.optim.Adam([x], lr=RATES["adam"])
        for _ in range(5):
            adam.zero_grad()
            (-inversion(x).sum()).backward()
            adam.step()
        put("adam", x, 8)
        for name in ("momentum", "adaptive"):
            moved = (descend(name) - start).norm() / start.norm()
            assert 0.02 < moved < 2, (name, moved)


if __name__ == "__main__":
    main()
