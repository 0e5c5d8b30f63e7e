"""Times one network's training steps in PyTorch, in this process, and prints one line of JSON.

    training_peers.py torch-eager|torch-channels-last|torch-bf16|torch-bf16-channels-last NETWORK
                      [--batch N] [--runs N] [--threads N]

A step is what fovea's is: forward, cross-entropy, backward, and SGD with momentum 0.9 over all parameters at once
(foreach), on one batch that is in memory already. The bf16 kinds run under torch.autocast with f32 weights. NETWORK is
a name of fovea's zoo; the definitions are of the same sizes, and their numbers of parameters are checked. The binding
of threads and the tuning of malloc come from the environment, which bench/run sets.
"""

import argparse
import contextlib
import json
import re
import resource
import statistics
import sys

from peers import measure  # says which packages are missing
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

KINDS = ("torch-eager", "torch-channels-last", "torch-bf16", "torch-bf16-channels-last")


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))


def mlp512():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(inplace=True), nn.Linear(512, 10))


class CifarBlock(nn.Module):
    """A residual block of He et al.; where the size changes, the shortcut takes every other pixel and pads channels."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.more:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y + x, inplace=True)


def resnet20_cifar():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    channels = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            layers.append(CifarBlock(channels, outputs, stride if block == 0 else 1))
            channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg11_bn_cifar():
    features = torchvision.models.vgg11_bn(weights=None, num_classes=10).features
    return nn.Sequential(features, nn.Flatten(), nn.Linear(512, 10))


# Name in fovea's zoo: how it is made, shape of a picture, classes, parameters that are trained.
NETWORKS = {
    "lenet5": (lenet5, (1, 28, 28), 10, 61_706),
    "mlp512": (mlp512, (1, 28, 28), 10, 407_050),
    "resnet20_cifar": (resnet20_cifar, (3, 32, 32), 10, 269_722),
    "vgg11_bn_cifar": (vgg11_bn_cifar, (3, 32, 32), 10, 9_231_114),
    "alexnet": (lambda: torchvision.models.alexnet(weights=None), (3, 224, 224), 1000, 61_100_840),
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), (3, 224, 224), 1000, 11_689_512),
}


def training_step(kind, name, batch):
    """A function without arguments that does one step."""
    build, shape, classes, parameters = NETWORKS[name]
    torch.manual_seed(1)
    network = build().train()
    count = sum(p.numel() for p in network.parameters())
    if count != parameters:
        sys.exit(f"{name}: {count} parameters, expected {parameters}")
    x, labels = torch.randn(batch, *shape), torch.randint(classes, (batch,))
    if kind.endswith("channels-last"):
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, foreach=True)
    precision = torch.autocast("cpu", dtype=torch.bfloat16) if "bf16" in kind else contextlib.nullcontext()

    def step():
        optimiser.zero_grad(set_to_none=True)
        with precision:
            loss = F.cross_entropy(network(x), labels)
        loss.backward()
        optimiser.step()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    times = measure(training_step(options.kind, options.network, options.batch), options.runs)
    print(json.dumps({
        "engine": options.kind,
        "version": torch.__version__,
        "onednn": "".join(re.findall(r"MKL-DNN v(\S+)", torch.__config__.show())),
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "times_ms": times,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    main()
