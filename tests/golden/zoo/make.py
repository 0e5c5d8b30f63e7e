#!/usr/bin/python3
"""The names, order and shapes of the tensors in torchvision's checkpoints, for tests/model/zoo_test.cpp.

    /usr/bin/python3 tests/golden/zoo/make.py

Written with torchvision 0.14.1 (Debian 12). Writes beside itself:

  state_dicts.txt.gz   for each network a line "network NAME COUNT", then COUNT lines "tensor.name SIZExSIZE", in the
                       order of state_dict(); counters of batches (num_batches_tracked) are left out
"""
import gzip
import pathlib

import torch
import torchvision

NETWORKS = (
    "alexnet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn squeezenet1_0 squeezenet1_1 googlenet "
    "googlenet_heads resnet18 resnet34 resnet50 resnet101 resnet152 densenet121 densenet161 densenet169 densenet201"
).split()


def nothing(tensor, *_, **__):
    return tensor


def main():
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "trunc_normal_", "xavier_uniform_"):
        setattr(torch.nn.init, name, nothing)  # only names and shapes are wanted
    lines = []
    for network in NETWORKS:
        options = {}
        if network.startswith("googlenet"):
            options = {"aux_logits": network.endswith("_heads"), "init_weights": False}
        model = getattr(torchvision.models, network.removesuffix("_heads"))(weights=None, **options)
        state = [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]
        lines.append(f"network {network} {len(state)}")
        lines += [f"{k} {'x'.join(str(n) for n in v.shape)}" for k, v in state]
    data = ("\n".join(lines) + "\n").encode()
    file = pathlib.Path(__file__).parent / "state_dicts.txt.gz"
    file.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"torchvision {torchvision.__version__}: {len(NETWORKS)} networks, {len(lines)} lines, {len(data)} bytes, "
          f"{file.stat().st_size} compressed")


if __name__ == "__main__":
    main()
