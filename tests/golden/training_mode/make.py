#!/usr/bin/env python3
"""Makes golden.txt of tests/transform/training_mode_test.cpp: a small network with batch norms in PyTorch's train().

conv1 3x3 stride 2, 3 -> 4 with bias - bn1 (epsilon 1e-5) - relu - conv2 3x3, 4 -> 5 without bias - bn2 (epsilon 1e-3) -
flatten - bn3 on a matrix - fc -> 3. The loss is the sum of the scores times fixed numbers ("seed"). Computed in double.

A line a tensor: name, its sizes with an x between, its values. First the weights, input and seed, then of one step
"scores" and "grad/<name>" of the input and every weight, and "after/<k>/<name>": the running statistics after step k,
with PyTorch's momentum of 0.1; step 2 sees 1 - x / 2. With "eval/" before the name: scores and gradients of the same
start in eval(). Made with PyTorch 1.13 (Debian 12). Run in this folder: python3 make.py
"""
import os

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(5, eps=1e-3)
        self.bn3 = nn.BatchNorm1d(5 * 3 * 4)
        self.fc = nn.Linear(5 * 3 * 4, 3)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.fc(self.bn3(self.bn2(self.conv2(x)).flatten(1)))


def randomise(network):
    for name, tensor in network.state_dict().items():
        if "num_batches" in name:
            continue
        if name.endswith("running_var") or (name.startswith("bn") and name.endswith("weight")):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
        else:
            tensor.copy_(0.4 * torch.randn(tensor.shape))


def round_to_float(tensor):
    return tensor.float().double()


def main():
    torch.manual_seed(20)
    network = Network().double()
    randomise(network)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(round_to_float(tensor))
    x, seed = round_to_float(torch.randn(4, 3, 5, 7).double()), round_to_float(torch.randn(4, 3).double())
    with open(os.path.join(HERE, "golden.txt"), "w") as out:
        def put(name, tensor):
            sizes = "x".join(str(n) for n in tensor.shape)
            print(name.replace(" ", "/"), sizes, *(f"{v:.9g}" for v in tensor.detach().flatten().tolist()), file=out)

        def step(prefix, x):
            network.zero_grad()
            x = x.clone().requires_grad_()
            scores = network(x)
            (scores * seed).sum().backward()
            put(f"{prefix}scores", scores)
            put(f"{prefix}grad input", x.grad)
            for name, parameter in network.named_parameters():
                put(f"{prefix}grad {name}", parameter.grad)

        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                put(name, tensor)
        put("input", x)
        put("seed", seed)
        network.eval()
        step("eval ", x)
        network.train()
        step("", x)
        for k in (1, 2):
            if k == 2:
                network(1 - x / 2)
            for name, tensor in network.named_buffers():
                if tensor.is_floating_point():
                    put(f"after {k} {name}", tensor)


main()
