#!/usr/bin/env python3
"""Makes the golden data of tests/model/squeezenet_golden_test.cpp: what SqueezeNet 1.1 says of real photographs.

torchvision truncates the long side (int(256 * long / short)) and rounds the crop's corner with halves to even: 42 and
54 of 60 at top-1 and top-5. Rounding the long side and halving down gives 42 and 55: the mushroom, 500x480, gains.

Nothing of fovea is used: PIL decodes and prepares the pictures, python3-onnx reads the weights, PyTorch computes.
Made with Pillow 9.4, numpy 1.24, PyTorch 1.13 and onnx 1.12 (Debian 12). Needs the folder of data (FOVEA_DATA) with
weights/squeezenet1.1_onnx and imagenet/. Run in this folder: python3 make.py [DATA]

  top5.csv      one line a photograph, all of them: file, true class, the five best classes
  logits.txt    the photographs of logits.npy, one a line
  logits.npy    their scores before softmax, float32 [24][1000]
  input.txt     the photographs of input.npy, one a line
  input.npy     8x8 samples of the network's input, float32 [n][3][8][8]: rows and columns 14 + 28 i of [3][224][224]
"""
import csv
import os
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GRID = slice(14, None, 28)


def prepare(path):
    """torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize on a PIL picture; EXIF is not looked at."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    if width <= height:
        size = (256, int(256 * height / width))
    else:
        size = (int(256 * width / height), 256)
    image = image.resize(size, Image.BILINEAR)
    left, top = int(round((size[0] - 224) / 2.0)), int(round((size[1] - 224) / 2.0))
    image = image.crop((left, top, left + 224, top + 224))
    x = np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std)[None]


def pads_of(a):
    """ONNX [top, left, bottom, right] -> the order of F.pad."""
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    return left, right, top, bottom


def conv(a, x, w, b=None):
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET"
    return F.conv2d(F.pad(x, pads_of(a)), w, b, a.get("strides", 1), 0, a.get("dilations", 1), a.get("group", 1))


def max_pool(a, x):
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET" and not a.get("ceil_mode", 0)
    return F.max_pool2d(F.pad(x, pads_of(a), value=-float("inf")), a["kernel_shape"], a.get("strides", 1))


def average_pool(a, x):
    assert not any(a.get("pads", [])) and not a.get("ceil_mode", 0)
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", 1))


OPERATORS = {
    "AveragePool": average_pool,
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Conv": conv,
    "Dropout": lambda a, x: x,
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "MaxPool": max_pool,
    "Relu": lambda a, x: F.relu(x),
    "Reshape": lambda a, x, shape: x.reshape([x.shape[i] if n == 0 else int(n) for i, n in enumerate(shape)]),
}


class Network:
    """Evaluates a graph node by node; `dtype` float64 shows how far float32 is from it."""

    def __init__(self, path, dtype=torch.float32):
        graph = onnx.load(path).graph
        self.dtype, self.nodes, self.output = dtype, graph.node, graph.output[0].name
        arrays = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
        self.weights = {n: t.to(dtype) if t.is_floating_point() else t for n, t in arrays.items()}
        (self.input,) = [i.name for i in graph.input if i.name not in self.weights]

    def __call__(self, x):
        values = {**self.weights, self.input: torch.from_numpy(x).to(self.dtype)}
        for node in self.nodes:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *(values[n] for n in node.input if n))
        return values[self.output].numpy()[0]


def special(path):
    """Grey, with EXIF, or cut elsewhere when the long side or the crop's corner were rounded in another way."""
    image = Image.open(path)
    longer = 256 * max(image.size) / min(image.size)
    other_corner = (int(longer) - 224) % 4 == 3  # halves to even differ from halves down
    other_side = (int(round(longer)) - 224) // 2 != int(round((int(longer) - 224) / 2.0))
    why = {image.mode: image.mode != "RGB", "EXIF": bool(image.getexif()), "halves to even": other_corner,
           "truncated side": other_side, "gains by rounding": "mushroom" in path}
    if any(why.values()):
        print(f"  {os.path.basename(path)} {image.size}:", ", ".join(k for k, v in why.items() if v))
    return any(why.values())


def write_lines(name, lines):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def write_array(name, array):
    np.save(os.path.join(HERE, name), np.ascontiguousarray(array, "<f4"))


def main():
    data = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FOVEA_DATA", "../../../../shared/data")
    weights = os.path.join(data, "weights/squeezenet1.1_onnx/model.onnx")
    network, exact = Network(weights), Network(weights, torch.float64)
    with open(os.path.join(data, "imagenet/labels.csv"), encoding="utf-8") as file:
        truth = {r["file"]: int(r["class_index"]) for r in sorted(csv.DictReader(file), key=lambda r: r["file"])}
    inputs, logits, top5, error = {}, {}, {}, 0
    with torch.no_grad():
        for name in truth:
            inputs[name] = prepare(os.path.join(data, "imagenet/images", name))
            logits[name] = network(inputs[name])
            wide = exact(inputs[name])
            error = max(error, np.abs(logits[name] - wide).max() / np.ptp(wide))
            top5[name] = np.argsort(-logits[name], kind="stable")[:5]
    hits = [sum(truth[n] in top5[n][:k] for n in truth) for k in (1, 5)]
    print(f"{len(truth)} photographs: top-1 {hits[0]}, top-5 {hits[1]}; float32 is within {error:.1e} of the range")

    paths = {n: os.path.join(data, "imagenet/images", n) for n in truth}
    unusual = [n for n, path in paths.items() if special(path)]
    spread = [n for i, n in enumerate(paths) if i % 5 in (0, 2) and n not in unusual]
    chosen = sorted(unusual + spread[: 24 - len(unusual)])
    sampled = unusual
    write_lines("top5.csv", ["file,truth,top1,top2,top3,top4,top5"] + [
        ",".join(map(str, (n, truth[n], *top5[n]))) for n in truth])
    write_lines("logits.txt", chosen)
    write_array("logits.npy", np.stack([logits[n] for n in chosen]))
    write_lines("input.txt", sampled)
    write_array("input.npy", np.stack([inputs[n][0, :, GRID, GRID] for n in sampled]))


if __name__ == "__main__":
    main()
