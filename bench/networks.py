"""The networks of the speed table: torchvision's architectures with random weights, exported to ONNX.

    networks.py [FOLDER] [--only NAME,NAME]      (FOLDER: build/bench/networks)

Each network becomes FOLDER/<name>/model.onnx with ONNX's own kind of test vector beside it,
FOLDER/<name>/test_data_set_0/{input_0,output_0}.pb, the output computed by torch. What exists is kept.
"""

import argparse
import os
import shutil
import sys
import warnings
from pathlib import Path

PACKAGES = "python3-torch python3-torchvision python3-onnx python3-numpy"
try:
    import onnx
    import onnx.numpy_helper
    import torch
    import torchvision
except ImportError as error:
    sys.exit(f"{error}. On Debian: apt install {PACKAGES}, and run this with /usr/bin/python3.")

OPSET = 13
SEED = 1
SIZE = 224

ARCHITECTURES = {
    "vgg19": {"init_weights": False},
    "alexnet": {},
    "resnet18": {},
    "resnet50": {},
    "googlenet": {"aux_logits": False, "transform_input": False, "init_weights": False},
    "densenet121": {},
    "squeezenet1_1": {},
}

# Name of the export -> (architecture, batch). The batch is fixed in the file.
EXPORTS = {name: (name, 1) for name in ARCHITECTURES} | {"resnet50_b16": ("resnet50", 16)}


def images(batch, seed=SEED):
    """Noise with the statistics of a normalised photograph: [batch, 3, 224, 224], mean 0, deviation 1."""
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def build(architecture):
    """The network in eval mode with seeded random weights, scaled so that activations neither vanish nor blow up.

    Convolutions and fully connected layers start as He et al. 2015 say; each batch normalisation gets an uneven scale
    and shift, and as running statistics what it sees of four noise images, so that it is no identity and stays finite.
    """
    network = getattr(torchvision.models, architecture)(weights=None, **ARCHITECTURES[architecture]).eval()
    torch.manual_seed(SEED)  # after torchvision's own initialisation, which may change with its version
    norms = []
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.05)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.6, 1.4)
            torch.nn.init.normal_(module.bias, std=0.1)
            module.momentum = 1.0
            module.train()
            norms.append(module)
    with torch.no_grad():
        if norms:
            network(images(4, seed=SEED + 1))
    for module in norms:
        module.eval()
        module.momentum = 0.1
    return network


def write_tensor(path, name, tensor):
    path.write_bytes(onnx.numpy_helper.from_array(tensor.numpy(), name).SerializeToString())


def export(name, folder):
    """Writes FOLDER/<name>: to a temporary name first, so that what exists is whole."""
    architecture, batch = EXPORTS[name]
    target, part = folder / name, folder / f".{name}.part"
    if (target / "model.onnx").exists() and (target / "test_data_set_0" / "output_0.pb").exists():
        return print(f"{name}: already there")
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    vectors = part / "test_data_set_0"
    vectors.mkdir(parents=True)

    network, x = build(architecture), images(batch)
    with torch.no_grad():
        y = network(x)
    if not torch.isfinite(y).all() or y.std() < 1e-3:
        sys.exit(f"{name}: useless output, deviation {y.std():.3g}")
    torch.onnx.export(network, x, str(part / "model.onnx"), opset_version=OPSET, do_constant_folding=True,
                      input_names=["input"], output_names=["output"])
    onnx.checker.check_model(str(part / "model.onnx"))
    write_tensor(vectors / "input_0.pb", "input", x)
    write_tensor(vectors / "output_0.pb", "output", y)
    part.rename(target)
    size = os.path.getsize(target / "model.onnx") / 2**20
    print(f"{name}: batch {batch}, {size:.1f} MiB, output mean {y.mean():.3f}, deviation {y.std():.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/bench/networks"))
    parser.add_argument("--only", help="names, separated by commas: " + ", ".join(EXPORTS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for name in options.only.split(",") if options.only else EXPORTS:
        if name not in EXPORTS:
            parser.error(f"no network {name}; there are {', '.join(EXPORTS)}")
        export(name, options.folder)


if __name__ == "__main__":
    main()
