"""BVLC GoogLeNet in PyTorch, built from its .prototxt: Caffe's rounding of poolings, local response normalisation over 5
channels. For make.py and bench/dream.py."""
import json
import re

import numpy as np
import torch
import torch.nn.functional as F


def parse_prototxt(text):
    """A list of (name, value) pairs; value is a string or again such a list."""
    tokens = re.findall(r'"[^"]*"|[\w./+-]+|[:{}]', text)

    def block(i):
        fields = []
        while i < len(tokens) and tokens[i] != "}":
            name, i = tokens[i], i + 1
            if tokens[i] == ":":
                i += 1
            if tokens[i] == "{":
                value, i = block(i + 1)
            else:
                value = tokens[i].strip('"')
            fields.append((name, value))
            i += 1
        return fields, i

    return block(0)[0]


def one(fields, name, default=None):
    return next((v for k, v in fields if k == name), default)


def read_weights(path):
    raw = path.read_bytes()
    header_size = int.from_bytes(raw[:8], "little")
    weights = {}
    for name, entry in json.loads(raw[8:8 + header_size]).items():
        if name != "__metadata__":
            begin, end = (8 + header_size + o for o in entry["data_offsets"])
            values = np.frombuffer(raw[begin:end], np.float16).reshape(entry["shape"]).astype(np.float32)
            weights[name] = torch.from_numpy(values)
    return weights


def pooled(x, p):
    assert one(p, "pool") == "MAX"
    return F.max_pool2d(x, int(one(p, "kernel_size")), int(one(p, "stride", 1)), int(one(p, "pad", 0)), ceil_mode=True)


def read_network(folder, end, layout=torch.contiguous_format):
    """A function from a picture [1,3,H,W] to the blob `end`."""
    weights = {k: v.to(memory_format=layout) if v.dim() == 4 else v
               for k, v in read_weights(folder / "bvlc_googlenet.f16.safetensors").items()}
    layers = [v for k, v in parse_prototxt((folder / "deploy.prototxt").read_text()) if k == "layer"]

    def activations(x):
        blobs = {"data": x}
        for layer in layers:
            kind, name = one(layer, "type"), one(layer, "name")
            if kind == "Input":
                continue
            bottoms = [blobs[v] for k, v in layer if k == "bottom"]
            if kind == "Convolution":
                p = one(layer, "convolution_param")
                y = F.conv2d(bottoms[0], weights[name + ".weight"], weights[name + ".bias"], int(one(p, "stride", 1)),
                             int(one(p, "pad", 0)))
            elif kind == "ReLU":
                y = F.relu(bottoms[0])
            elif kind == "Pooling":
                y = pooled(bottoms[0], one(layer, "pooling_param"))
            elif kind == "LRN":
                p = one(layer, "lrn_param")
                y = F.local_response_norm(bottoms[0], int(one(p, "local_size")), float(one(p, "alpha")),
                                          float(one(p, "beta")))
            elif kind == "Concat":
                y = torch.cat(bottoms, 1)
            else:
                raise SystemExit(f"{kind} comes before {end}")
            blobs[one(layer, "top")] = y
            if one(layer, "top") == end:
                return y
        raise SystemExit(f"no {end}")

    return activations
