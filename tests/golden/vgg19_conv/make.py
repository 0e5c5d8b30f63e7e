#!/usr/bin/env python3
"""Golden activations of the real VGG-19 convolutions (weights/vgg19_conv of the shared data) by an independent reader and
PyTorch: for every ReLU, its norm and 64 values spread evenly. Read by tests/formats/open_real_test.cpp.

Run with Debian 12's python3-torch (1.13.1): ./make.py DATA_FOLDER"""
import json
import lzma
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "torchvision"))
from make import picture  # noqa: E402  the formula of a picture

DTYPES = {"F16": np.float16, "F32": np.float32, "U8": np.uint8}
raw = lzma.open(pathlib.Path(sys.argv[1]) / "weights/vgg19_conv/vgg19_conv_f16_u8.safetensors.xz").read()
size = int.from_bytes(raw[:8], "little")
header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
t = {}
for name, entry in header.items():
    if name != "__metadata__":
        begin, end = entry["data_offsets"]
        t[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def weight(layer):
    if layer + ".weight" in t:
        return t[layer + ".weight"].astype(np.float32)
    scale, least = (np.float64(t[f"{layer}.weight_{k}"].reshape(-1)[0]) for k in ("scale", "min"))
    return (t[layer + ".weight_u8"].astype(np.float64) * scale + least).astype(np.float32)


x = torch.from_numpy(picture(96) * 60)  # as large as pixels minus their mean
lines = []
for block, count in enumerate((2, 2, 4, 4, 4), 1):
    for layer in range(1, count + 1):
        name = f"conv{block}_{layer}"
        x = F.relu(F.conv2d(x, torch.from_numpy(weight(name)), torch.from_numpy(t[name + ".bias"].astype(np.float32)), padding=1))
        flat = x.double().reshape(-1).numpy()
        samples = [flat[k * len(flat) // 64] for k in range(64)]
        lines.append(f"relu{block}_{layer} {math.sqrt((flat ** 2).sum()):.12g} " + " ".join(f"{v:.9g}" for v in samples))
    x = F.max_pool2d(x, 2)
(HERE / "stages.txt").write_text("\n".join(lines) + "\n")
