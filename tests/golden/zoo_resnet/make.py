#!/usr/bin/env python3
"""Makes names.txt and sums.txt: the state dicts of torchvision's residual and densely connected networks, for
tests/model/zoo_residual_test.cpp.

A line a tensor, sorted by name: name, then its sizes with an x between ("layer1.0.conv1.weight 64x64x3x3").
num_batches_tracked counters are left out.

  names.txt   the lines of three networks, each after a line of its name alone
  sums.txt    of all networks: name, number of lines, 64-bit FNV-1a of the lines with their line feeds, in hexadecimal,
              and the number of trainable values

Made with torchvision 0.14 (Debian 12). Run in this folder: python3 make.py
"""
import os

import torchvision.models as models

HERE = os.path.dirname(os.path.abspath(__file__))
WHOLE = ["resnet18", "resnet50", "densenet121"]
NETWORKS = WHOLE + ["resnet34", "resnet101", "resnet152", "densenet161", "densenet169", "densenet201"]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


with open(os.path.join(HERE, "names.txt"), "w") as names, open(os.path.join(HERE, "sums.txt"), "w") as sums:
    for network in NETWORKS:
        model = getattr(models, network)(weights=None)
        lines = [f"{key} {'x'.join(str(n) for n in tensor.shape)}\n"
                 for key, tensor in sorted(model.state_dict().items()) if not key.endswith("num_batches_tracked")]
        trainable = sum(p.numel() for p in model.parameters())
        print(network, len(lines), f"{fnv1a(''.join(lines).encode()):016x}", trainable, file=sums)
        if network in WHOLE:
            names.write(f"{network}\n" + "".join(lines))
