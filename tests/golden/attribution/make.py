#!/usr/bin/env python3
"""Makes golden.txt of tests/insight/attribution_golden_test.cpp: attribution maps of a small random network by PyTorch.

conv1 3x3, 3 -> 6, pad 1 - bn1 - relu - max pool 2x2 - two branches: a 1x1, 6 -> 4 - relu and b 3x3 pad 1, 6 -> 5 - bn -
leaky relu 0.1 - concatenated - conv2 3x3 stride 2 pad 1, 9 -> 8 - relu ("maps", 8x3x4) - global average - linear -> 5.
The picture is 3x12x16. Everything is computed in double with weights that are floats.

A line a tensor: name, its sizes with an x between, its values. The weights, "input", "baseline", "scores", then for class
3: "gradient" (d score / d input), "guided" and "deconvnet" (the same with these rules at both kinds of rectifiers), "cam",
"grad-cam", "grad-cam++", "layer-cam" (before any scaling, after the ReLU), "score-cam" (masks by bilinear interpolation
with half-pixel centres, scaled to 0..1), "integrated" (trapezoid rule, 65 points, [C,H,W]), "lrp" (epsilon 0.25 of each
layer's root mean square, summed over channels), "occlusion" (window 4, stride 2, by zeros), "hires-cam", "ablation-cam"
(scores without each map, divided by the score's size), the same two at the concatenated branches as "hires-cam-joined" and
"ablation-cam-joined", "deep-lift" (rescale rule, against "baseline", summed over channels). Written from the papers'
formulas, not from other implementations.

Made with PyTorch 1.13 (Debian 12). Run in this folder: /usr/bin/python3 make.py
"""
import os

import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
LABEL = 3


def rectifier(rule, slope=0.0):
    class Rectifier(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return F.leaky_relu(x, slope)

        @staticmethod
        def backward(ctx, d):
            x, = ctx.saved_tensors
            own = (x > 0).to(x.dtype) + slope * (x <= 0).to(x.dtype)
            if rule == "deconvnet":
                return d.clamp(min=0)
            return own * (d.clamp(min=0) if rule == "guided" else d)

    return Rectifier.apply


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.a = nn.Conv2d(6, 4, 1)
        self.b = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(9, 8, 3, stride=2, padding=1)
        self.fc = nn.Linear(8, 5)

    def joined(self, x, rule="gradient"):
        relu, leaky = rectifier(rule), rectifier(rule, 0.1)
        x = F.max_pool2d(relu(self.bn1(self.conv1(x))), 2)
        return torch.cat([relu(self.a(x)), leaky(self.bn2(self.b(x)))], 1)

    def maps(self, x, rule="gradient"):
        return rectifier(rule)(self.conv2(self.joined(x, rule)))

    def behind_joined(self, joined):
        return self.head(F.relu(self.conv2(joined)))

    def head(self, maps):
        return self.fc(maps.mean((2, 3)))

    def forward(self, x, rule="gradient"):
        return self.head(self.maps(x, rule))


def randomise(network):
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "num_batches" in name:
                continue
            if name.endswith("running_var") or (name.startswith("bn") and name.endswith("weight")):
                tensor.copy_((0.5 + torch.rand(tensor.shape)).float().double())
            else:
                tensor.copy_((0.5 * torch.randn(tensor.shape)).float().double())


def input_gradient(network, x, rule="gradient"):
    x = x.clone().requires_grad_(True)
    network(x, rule)[0, LABEL].backward()
    return x.grad


def lrp(network, x, epsilon=0.25):
    """Relevance of each value, layer by layer: R_j = a_j * sum_k w_jk R_k / (z_k + eps sign z_k). A batch norm
    and the convolution before it are one layer."""
    def through(layer, a, relevance):
        a = a.clone().requires_grad_(True)
        z = layer(a)
        eps = epsilon * z.detach().pow(2).mean().sqrt()
        ratio = relevance / (z.detach() + eps * torch.where(z >= 0, 1.0, -1.0).to(z.dtype))
        (z * ratio).sum().backward()
        return a.detach() * a.grad

    with torch.no_grad():
        y1 = F.relu(network.bn1(network.conv1(x)))
        p1, where = F.max_pool2d(y1, 2, return_indices=True)
        za, zb = network.a(p1), network.b(p1)
        a, b = F.relu(za), F.leaky_relu(network.bn2(zb), 0.1)
        joined = torch.cat([a, b], 1)
        maps = F.relu(network.conv2(joined))
        scores = network.head(maps)
    relevance = torch.zeros_like(scores)
    relevance[0, LABEL] = scores[0, LABEL]
    pooled = maps.mean((2, 3))
    at_pooled = through(network.fc, pooled, relevance)
    share = maps / maps.sum((2, 3), keepdim=True).clamp(min=1e-300)
    at_maps = share * at_pooled[:, :, None, None]
    at_joined = through(network.conv2, joined, at_maps)
    at_a, at_b = at_joined[:, :4], at_joined[:, 4:]
    at_p1 = through(network.a, p1, at_a) + through(lambda v: network.bn2(network.b(v)), p1, at_b)
    at_y1 = F.max_unpool2d(at_p1, where, 2, output_size=y1.shape[2:])
    return through(lambda v: network.bn1(network.conv1(v)), x, at_y1).sum(1)[0]


def occlusion(network, x, window=4, stride=2):
    height, width = x.shape[2:]
    whole = network(x)[0, LABEL]
    total, count = torch.zeros(height, width).double(), torch.zeros(height, width).double()
    for top in range(0, height - window + 1, stride):
        for left in range(0, width - window + 1, stride):
            covered = x.clone()
            covered[:, :, top:top + window, left:left + window] = 0
            total[top:top + window, left:left + window] += whole - network(covered)[0, LABEL]
            count[top:top + window, left:left + window] += 1
    return total / count


def deep_lift(network, x, baseline):
    """Multipliers by hand, from the scores down: a linear layer passes W^T m, a rectifier m * dy / dx, and max pooling
    gives max(y, y') - y' to the picture's maximum and y - max(y, y') to the baseline's."""
    def transposed(layer, a, m):
        a = a.clone().requires_grad_(True)
        (layer(a) * m).sum().backward()
        return a.grad

    def ratio(f, a, b):
        assert (a - b).abs().min() > 1e-5 * (a.abs() + b.abs()).max()
        return (f(a) - f(b)) / (a - b)

    def leaky(v):
        return F.leaky_relu(v, 0.1)

    def layers(picture):
        z1 = network.bn1(network.conv1(picture))
        p1, where = F.max_pool2d(F.relu(z1), 2, return_indices=True)
        za, zb = network.a(p1), network.bn2(network.b(p1))
        joined = torch.cat([F.relu(za), leaky(zb)], 1)
        return z1, p1, where, za, zb, joined, network.conv2(joined)

    one = torch.zeros(1, 5).double()
    one[0, LABEL] = 1
    with torch.no_grad():
        z1, p1, where, za, zb, joined, z2 = layers(x)
        r1, q1, there, ra, rb, linked, r2 = layers(baseline)
    m = transposed(network.head, F.relu(z2), one)
    m = transposed(network.conv2, joined, m * ratio(F.relu, z2, r2))
    m_p1 = transposed(network.a, p1, m[:, :4] * ratio(F.relu, za, ra))
    m_p1 = m_p1 + transposed(lambda v: network.bn2(network.b(v)), p1, m[:, 4:] * ratio(leaky, zb, rb))
    top = torch.maximum(p1, q1)
    size = z1.shape[2:]
    shares = F.max_unpool2d(m_p1 * (top - q1), where, 2, output_size=size)
    shares = shares + F.max_unpool2d(m_p1 * (p1 - top), there, 2, output_size=size)
    y1, s1 = F.relu(z1), F.relu(r1)
    m_y1 = torch.where(y1 == s1, torch.zeros_like(y1), shares / torch.where(y1 == s1, torch.ones_like(y1), y1 - s1))
    m_x = transposed(lambda v: network.bn1(network.conv1(v)), x, m_y1 * ratio(F.relu, z1, r1))
    result = m_x * (x - baseline)
    with torch.no_grad():
        gap = result.sum() - (network(x) - network(baseline))[0, LABEL]
    assert gap.abs() < 1e-9, gap
    return result.sum(1)[0]


def main():
    torch.manual_seed(6)
    network = Network().double().eval()
    randomise(network)
    x = torch.randn(1, 3, 12, 16).float().double()
    baseline = (0.3 * torch.randn(1, 3, 12, 16)).float().double()
    with open(os.path.join(HERE, "golden.txt"), "w") as out:
        def put(name, tensor):
            sizes = "x".join(str(n) for n in tensor.shape)
            out.write(f"{name} {sizes} {' '.join(f'{v:.9g}' for v in tensor.detach().flatten().tolist())}\n")

        for name, tensor in network.state_dict().items():
            if "num_batches" not in name:
                put(name, tensor)
        put("input", x)
        put("baseline", baseline)
        put("scores", network(x))
        for rule in ("gradient", "guided", "deconvnet"):
            put(rule, input_gradient(network, x, rule))

        maps = network.maps(x).detach().requires_grad_(True)
        network.head(maps)[0, LABEL].backward()
        maps, g = maps.detach()[0], maps.grad[0]
        assert (network.fc.weight[LABEL][:, None, None] * maps).sum(0).max() > 0, "choose a seed whose CAM is not empty"
        put("cam", F.relu((network.fc.weight[LABEL][:, None, None] * maps).sum(0)))
        put("grad-cam", F.relu((g.mean((1, 2))[:, None, None] * maps).sum(0)))
        alpha = g ** 2 / (2 * g ** 2 + g ** 3 * maps.sum((1, 2))[:, None, None])
        alpha = torch.where(g != 0, alpha, torch.zeros_like(alpha))
        put("grad-cam++", F.relu(((alpha * F.relu(g)).sum((1, 2))[:, None, None] * maps).sum(0)))
        put("layer-cam", F.relu((F.relu(g) * maps).sum(0)))

        with torch.no_grad():
            used, gain = [], []
            for k in range(maps.shape[0]):
                if maps[k].max() == maps[k].min():
                    continue
                mask = F.interpolate(maps[None, k:k + 1], size=x.shape[2:], mode="bilinear", align_corners=False)
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                used.append(k)
                gain.append(network(x * mask)[0, LABEL] - network(torch.zeros_like(x))[0, LABEL])
            weights = torch.softmax(torch.stack(gain), 0)
            put("score-cam", F.relu(sum(w * maps[k] for w, k in zip(weights, used))))

        points, total = 65, torch.zeros_like(x)
        for i in range(points):
            alpha = i / (points - 1)
            weight = (0.5 if i in (0, points - 1) else 1.0) / (points - 1)
            total += weight * input_gradient(network, baseline + alpha * (x - baseline))
        put("integrated", (total * (x - baseline))[0])
        put("lrp", lrp(network, x))
        with torch.no_grad():
            put("occlusion", occlusion(network, x))

        for name, layer, tail in (("", network.maps, network.head), (" joined", network.joined, network.behind_joined)):
            maps = layer(x).detach().requires_grad_(True)
            tail(maps)[0, LABEL].backward()
            maps, g = maps.detach()[0], maps.grad[0]
            put("hires-cam" + name.replace(" ", "-"), F.relu((g * maps).sum(0)))
            with torch.no_grad():
                score = network(x)[0, LABEL]
                total = torch.zeros_like(maps[0])
                for k in range(maps.shape[0]):
                    without = maps.clone()
                    without[k] = 0
                    total += (score - tail(without[None])[0, LABEL]) / score.abs() * maps[k]
                put("ablation-cam" + name.replace(" ", "-"), F.relu(total))
        put("deep-lift", deep_lift(network, x, baseline))


if __name__ == "__main__":
    main()
