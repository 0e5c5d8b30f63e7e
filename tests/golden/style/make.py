#!/usr/bin/env python3
"""Losses of neural style by an independent implementation, with the real VGG-19 convolutions (weights/vgg19_conv of the shared data).
Read by tests/insight/style_golden_test.cpp.

  content.png, style.png  64x48 and 56x40 pixels, 8 bits
  iterates.png            20 pictures of 64x48 below each other: where a descent stood, rounded to 8 bits
  CASE.bin                f16: for each iterate, every 7th number of the gradient divided by the largest of them, [3,48,64] in the order
                          blue, green, red
  losses.txt              CASE ITERATE total, the terms, the Euclidean norm and the largest magnitude of the whole gradient
                          CASE end: the loss after a free descent

Cases: gatys (Gatys, Ecker & Bethge, CVPR 2016: 1/2 sum of squares at conv4_2, 1/(4 N^2 M^2) sum (G - T)^2 at conv1_1 … conv5_1 with 1/5
each, alpha/beta = 1e-3, all after the ReLU), gatys_average (the same with average pooling), johnson (jcjohnson/neural-style: mean squared
errors, Gram matrices divided by C*H*W, weights 5 and 100, a gradient of total variation that no loss shows, pixels times 256), and
johnson_normalised (-normalize_gradients 1: each term's gradient at its layer divided by its sum of magnitudes).

Run with Debian 12's python3-torch (1.13.1), python3-numpy and python3-pil: ./make.py DATA_FOLDER"""
import json
import lzma
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(sys.argv[1])
MEAN = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
STRIDE = 7
torch.set_num_threads(1)


def weights():
    raw = lzma.open(DATA / "weights/vgg19_conv/vgg19_conv_f16_u8.safetensors.xz").read()
    size = int.from_bytes(raw[:8], "little")
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    kinds = {"F16": np.float16, "F32": np.float32, "U8": np.uint8}
    t = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            t[name] = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    found = {}
    for name in [n[:-5] for n in t if n.endswith(".bias")]:
        if name + ".weight" in t:
            w = t[name + ".weight"].astype(np.float32)
        else:
            scale, least = (np.float64(t[f"{name}.weight_{k}"].reshape(-1)[0]) for k in ("scale", "min"))
            w = (t[name + ".weight_u8"].astype(np.float64) * scale + least).astype(np.float32)
        found[name] = (torch.from_numpy(w), torch.from_numpy(t[name + ".bias"].astype(np.float32)))
    return found


W = weights()
STYLE = ["1_1", "2_1", "3_1", "4_1", "5_1"]
CONTENT = "4_2"


def maps(x, average=False):
    out = {}
    for block, count in enumerate((2, 2, 4, 4, 1), 1):
        for layer in range(1, count + 1):
            name = f"{block}_{layer}"
            x = F.relu(F.conv2d(x, *W["conv" + name], padding=1))
            out[name] = x
        x = F.avg_pool2d(x, 2) if average else F.max_pool2d(x, 2)
    return out


def gram(f):
    f = f.reshape(f.shape[1], -1)
    return f @ f.T


class Gatys:
    factor = 1.0

    def __init__(self, content, style, average=False):
        self.average = average
        with torch.no_grad():
            c, s = maps(content, average), maps(style, average)
        self.content = c[CONTENT]
        self.style = {k: gram(s[k]) / s[k][0, 0].numel() for k in STYLE}

    def __call__(self, x):
        x = x.detach().requires_grad_()
        m = maps(x, self.average)
        terms = [1e-3 * 0.5 * (m[CONTENT] - self.content).pow(2).sum()]
        for k in STYLE:
            n = m[k].shape[1]
            terms.append(0.2 * (gram(m[k]) / m[k][0, 0].numel() - self.style[k]).pow(2).sum() / (4 * n * n))
        total = sum(terms)
        (g,) = torch.autograd.grad(total, x)
        return float(total), [float(t) for t in terms], g


class Johnson:
    factor = 256 / 255

    def __init__(self, content, style, normalise=False):
        self.normalise = normalise
        with torch.no_grad():
            c, s = maps(content), maps(style)
        self.content = c[CONTENT]
        self.style = {k: gram(s[k]) / s[k].numel() for k in STYLE}

    def __call__(self, x):
        x = x.detach().requires_grad_()
        m = maps(x)
        layers = [m[CONTENT]] + [m[k] for k in STYLE]
        terms = [5 * F.mse_loss(m[CONTENT], self.content)]
        terms += [100 * F.mse_loss(gram(m[k]) / m[k].numel(), self.style[k]) for k in STYLE]
        seeds = []
        for term, layer, weight in zip(terms, layers, [5] + [100] * 5):
            (g,) = torch.autograd.grad(term / weight, layer, retain_graph=True)
            if self.normalise and float(terms[0]) >= 1:
                g = g / (g.abs().sum() + 1e-8)
            seeds.append(g * weight)
        (g,) = torch.autograd.grad(layers, x, seeds)
        # Total variation: half the squared differences of the positions that have both, weight 1e-3; the gradient only.
        y = x.detach().requires_grad_()
        a = y[..., :-1, :-1]
        variation = 0.5 * ((a - y[..., :-1, 1:]).pow(2).sum() + (a - y[..., 1:, :-1]).pow(2).sum())
        g = g + 1e-3 * torch.autograd.grad(variation, y)[0]
        return float(sum(terms)), [float(t) for t in terms], g


def levels(pixels, factor):
    return torch.from_numpy(np.asarray(pixels, np.float32)[..., ::-1].copy()).permute(2, 0, 1)[None] * factor - MEAN


def descend(loss, x, evaluations, visit=None, **settings):
    x = x.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x], max_iter=evaluations, max_eval=evaluations, tolerance_grad=-1, tolerance_change=-1, **settings)
    count, last = 0, None

    def closure():
        nonlocal count, last
        last, _, g = loss(x)
        x.grad = g
        if visit:
            visit(count, x.detach())
        count += 1
        return torch.tensor(last)

    optimiser.step(closure)
    return loss(x)[0], count


def main():
    content = Image.open(DATA / "art/photo_cat_chelsea.png").convert("RGB").resize((64, 48), Image.LANCZOS)
    style = Image.open(DATA / "art/painting_starry_night.jpg").convert("RGB").resize((56, 40), Image.LANCZOS)
    content.save(HERE / "content.png")
    style.save(HERE / "style.png")
    cases = {
        "gatys": Gatys(levels(content, 1), levels(style, 1)),
        "gatys_average": Gatys(levels(content, 1), levels(style, 1), average=True),
        "johnson": Johnson(levels(content, 256 / 255), levels(style, 256 / 255)),
        "johnson_normalised": Johnson(levels(content, 256 / 255), levels(style, 256 / 255), normalise=True),
    }
    # Where a descent from grey noise stands after 4, 5, 6 … 176 evaluations.
    noise = np.random.RandomState(1).uniform(-20, 20, (48, 64, 3)) + 128
    keep, taken = sorted({round(1.22 ** k) for k in range(7, 27)}), {}

    def visit(count, x):
        if count in keep:
            taken[count] = ((x + MEAN)[0].permute(1, 2, 0).numpy()[..., ::-1]).clip(0, 255).round().astype(np.uint8)

    descend(cases["gatys"], levels(noise, 1), max(keep) + 2, visit, history_size=20, line_search_fn="strong_wolfe")
    iterates = [taken[k] for k in keep]
    assert len(iterates) == 20
    Image.fromarray(np.concatenate(iterates)).save(HERE / "iterates.png", optimize=True)
    lines = []
    for name, case in cases.items():
        stored = []
        for k, pixels in enumerate(iterates):
            total, terms, g = case(levels(pixels, case.factor))
            flat = g.reshape(-1).double().numpy()
            most = np.abs(flat).max()
            lines.append(f"{name} {k} {total:.9g} " + " ".join(f"{t:.9g}" for t in terms) + f" {np.sqrt((flat ** 2).sum()):.9g} {most:.9g}")
            stored.append((flat[::STRIDE] / most).astype("<f2"))
        np.concatenate(stored).tofile(HERE / f"{name}.bin")
    end, count = descend(cases["gatys"], levels(content, 1), 100, history_size=20, line_search_fn="strong_wolfe")
    lines.append(f"gatys end {end:.9g} {count}")
    end, count = descend(cases["johnson"], levels(iterates[0], 256 / 255), 100, history_size=100)
    lines.append(f"johnson end {end:.9g} {count}")
    (HERE / "losses.txt").write_text("\n".join(lines) + "\n")


main()
