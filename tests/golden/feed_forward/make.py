#!/usr/bin/env python3
"""Feed-forward style networks (Johnson, Alahi & Fei-Fei, "Perceptual losses for real-time style transfer and
super-resolution", ECCV 2016, table 1 of the supplement) in PyTorch, narrow and with random weights, for
tests/commands/feed_forward_test.cpp.

  transposed.onnx  as jcjohnson/fast-neural-style: 40 pixels of reflection first, residual blocks without padding whose
                   shortcut is cropped, transposed convolutions of stride 2, 150 tanh; colours BGR minus the mean of
                   VGG's. Instance norm. Opset 11, height and width dynamic
  nearest.onnx     as pytorch/examples fast_neural_style: each convolution pads by reflection, pictures are enlarged by
                   repeating pixels, colours RGB 0..255, no tanh. Opset 13, height and width dynamic
  fixed.onnx       the same network, exported for 56 x 48 only
  content.png      50 x 45 pixels, neither divisible by 4 in both directions nor the size of the export (48 x 56)
  NAME.npy         [3,H,W] f32: what NAME.onnx's network makes of content.png, in its own colours. H, W are rounded up by the
                   strides: 48 and 52
The gain and shift of the last layer are set so that the pictures use the whole range.
Run with Debian 12's python3-torch (1.13.1), python3-onnx, python3-pil: ./make.py"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
MEAN = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
WIDTHS = 4, 6, 8
torch.set_num_threads(1)
torch.manual_seed(5)


class Residual(nn.Module):
    """Two 3x3 convolutions; the shortcut loses what they lose at the edges."""

    def __init__(self, channels, reflect):
        super().__init__()
        self.reflect = reflect
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3) for _ in range(2))
        self.norms = nn.ModuleList(nn.InstanceNorm2d(channels, affine=True) for _ in range(2))

    def forward(self, x):
        y = x
        for k in range(2):
            y = self.norms[k](self.convs[k](F.pad(y, (1, 1, 1, 1), mode="reflect") if self.reflect else y))
            y = F.relu(y) if k == 0 else y
        return y + (x if self.reflect else x[:, :, 2:-2, 2:-2])


class Painter(nn.Module):
    def __init__(self, transposed):
        super().__init__()
        self.transposed = transposed
        a, b, c = WIDTHS
        self.first = nn.Conv2d(3, a, 9)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 3, 2), nn.Conv2d(b, c, 3, 2)])
        self.residuals = nn.ModuleList(Residual(c, not transposed) for _ in range(5))
        if transposed:
            self.up = nn.ModuleList([nn.ConvTranspose2d(i, o, 3, 2, 1, 1) for i, o in ((c, b), (b, a))])
        else:
            self.up = nn.ModuleList([nn.Conv2d(i, o, 3) for i, o in ((c, b), (b, a))])
        self.norms = nn.ModuleList(nn.InstanceNorm2d(n, affine=True) for n in (a, b, c, b, a))
        self.last = nn.Conv2d(a, 3, 9)
        for module in self.modules():
            if isinstance(module, nn.InstanceNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)

    def pad(self, x, n):
        return F.pad(x, (n, n, n, n)) if self.transposed else F.pad(x, (n, n, n, n), mode="reflect")

    def forward(self, x):
        if self.transposed:
            x = F.pad(x, (40, 40, 40, 40), mode="reflect")
        x = F.relu(self.norms[0](self.first(self.pad(x, 4))))
        for k in range(2):
            x = F.relu(self.norms[1 + k](self.down[k](self.pad(x, 1))))
        for block in self.residuals:
            x = block(x)
        for k in range(2):
            if not self.transposed:
                x = self.pad(F.interpolate(x, scale_factor=2, mode="nearest"), 1)
            x = F.relu(self.norms[3 + k](self.up[k](x)))
        x = self.last(self.pad(x, 4))
        return 150 * torch.tanh(x) if self.transposed else x


def content():
    """Smooth waves, an edge and a disc: [1,3,45,50], 0..255 whole numbers."""
    y, x = np.mgrid[0:45, 0:50].astype(np.float64)
    picture = np.stack([128 + 90 * np.sin(x / 5) * np.cos(y / 9), 4 * y + 30, np.where(x > 24, 200, 40) + 0 * y])
    picture[:, (x - 14) ** 2 + (y - 20) ** 2 < 60] = np.array([[230], [180], [20]])
    return torch.from_numpy(np.clip(np.round(picture), 0, 255).astype(np.float32))[None]


def spread(net, example, low, high):
    """The last layer's gain and shift, so that each channel has this range."""
    with torch.no_grad():
        raw = []
        handle = net.last.register_forward_hook(lambda m, i, o: raw.append(o))
        net(example)
        handle.remove()
        least, most = raw[0].amin((0, 2, 3)), raw[0].amax((0, 2, 3))
        gain = (high - low) / (most - least)
        net.last.weight *= gain.view(3, 1, 1, 1)
        net.last.bias.copy_((net.last.bias - least) * gain + low)


def main():
    picture = content()
    Image.fromarray(picture[0].numpy().astype(np.uint8).transpose(1, 2, 0)).save(HERE / "content.png")
    axes = {"picture": {2: "height", 3: "width"}, "painting": {2: "height", 3: "width"}}
    for name, transposed, opset in (("transposed", True, 11), ("nearest", False, 13)):
        net = Painter(transposed).eval()
        seen = picture.flip(1) - MEAN if transposed else picture
        spread(net, seen, *((-1.2, 1.2) if transposed else (-20, 275)))
        for file, dynamic in ((name, axes), ("fixed", None)):
            if file == "fixed" and transposed:
                continue
            torch.onnx.export(net, torch.zeros(1, 3, 56, 48), HERE / f"{file}.onnx", opset_version=opset,
                              input_names=["picture"], output_names=["painting"], dynamic_axes=dynamic)
        with torch.no_grad():
            made = net(seen)
        np.save(HERE / f"{name}.npy", made[0].numpy())
        print(name, tuple(made.shape), "range", made.min().item(), made.max().item())


main()
