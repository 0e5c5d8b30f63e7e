#!/usr/bin/env python3
"""Small Caffe networks with random weights, and what OpenCV's importer (python3-opencv 4.6) computes with them.

Writes NAME.prototxt, NAME.caffemodel, NAME.input.bin and NAME.output.bin (f32 little-endian, row-major) beside itself; needs protoc and
fovea/formats/caffe.proto for the caffemodels. Run: /usr/bin/python3 tests/golden/caffe/make.py
"""
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
from google.protobuf import text_format

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[2] / "fovea" / "formats"

INPUT = 'input: "data" input_shape { dim: 1 dim: 6 dim: 13 dim: 11 }\n'

NETWORKS = {
    # Grouped, dilated, strided and uneven convolutions; poolings that round up, with and without padding.
    "windows": INPUT + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_h: 3 kernel_w: 2 pad_h: 1 pad_w: 0 stride_h: 1 stride_w: 2 group: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "conv2" type: "Convolution" bottom: "data" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 3 dilation: 2 pad: 2 bias_term: false } }
layer { name: "pool_max" type: "Pooling" bottom: "conv2" top: "pool_max" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "pool_pad" type: "Pooling" bottom: "conv2" top: "pool_pad"
  pooling_param { pool: MAX kernel_size: 2 stride: 3 pad: 1 } }
layer { name: "pool_ave" type: "Pooling" bottom: "conv1" top: "pool_ave" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "pool_ave_pad" type: "Pooling" bottom: "conv2" top: "pool_ave_pad"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "global" type: "Pooling" bottom: "conv2" top: "global" pooling_param { pool: AVE global_pooling: true } }
layer { name: "up" type: "Deconvolution" bottom: "conv2" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 2 } }
layer { name: "up_pool" type: "Pooling" bottom: "up" top: "up_pool" pooling_param { pool: AVE kernel_size: 5 stride: 5 } }
layer { name: "f1" type: "Flatten" bottom: "pool_max" top: "f1" }
layer { name: "f2" type: "Flatten" bottom: "pool_pad" top: "f2" }
layer { name: "f3" type: "Flatten" bottom: "pool_ave" top: "f3" }
layer { name: "f4" type: "Flatten" bottom: "pool_ave_pad" top: "f4" }
layer { name: "f5" type: "Flatten" bottom: "global" top: "f5" }
layer { name: "f6" type: "Flatten" bottom: "up_pool" top: "f6" }
layer { name: "all" type: "Concat" bottom: "f1" bottom: "f2" bottom: "f3" bottom: "f4" bottom: "f5" bottom: "f6" top: "all" }
""",
    # Normalisations and learned factors, in place and not.
    "normalise": INPUT + """
layer { name: "norm1" type: "LRN" bottom: "data" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 k: 1 } }
layer { name: "within" type: "LRN" bottom: "data" top: "within"
  lrn_param { local_size: 3 alpha: 0.7 beta: 0.75 norm_region: WITHIN_CHANNEL } }
layer { name: "bn" type: "BatchNorm" bottom: "norm1" top: "bn" batch_norm_param { eps: 0.001 } }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "bn" top: "prelu" }
layer { name: "alone" type: "BatchNorm" bottom: "within" top: "alone" }
layer { name: "factor" type: "Scale" bottom: "alone" top: "factor" }
layer { name: "sum" type: "Eltwise" bottom: "prelu" bottom: "factor" top: "sum" eltwise_param { operation: SUM coeff: 1.5 coeff: -0.5 } }
layer { name: "drop" type: "Dropout" bottom: "sum" top: "sum" }
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param { num_output: 7 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "flat" type: "Flatten" bottom: "sum" top: "flat" }
layer { name: "both" type: "Concat" bottom: "flat" bottom: "prob" top: "both" }
""",
    # Elementwise layers, slices and shapes.
    "elementwise": INPUT + """
layer { name: "slice" type: "Slice" bottom: "data" top: "a" top: "b" top: "c" slice_param { slice_point: 1 slice_point: 3 } }
layer { name: "sig" type: "Sigmoid" bottom: "a" top: "sig" }
layer { name: "tanh" type: "TanH" bottom: "b" top: "tanh" }
layer { name: "abs" type: "AbsVal" bottom: "c" top: "abs" }
layer { name: "elu" type: "ELU" bottom: "abs" top: "elu" }
layer { name: "bnll" type: "BNLL" bottom: "data" top: "bnll" }
layer { name: "power" type: "Power" bottom: "bnll" top: "power" power_param { power: 1.5 scale: 0.5 shift: 0.25 } }
layer { name: "joined" type: "Concat" bottom: "sig" bottom: "tanh" bottom: "elu" top: "joined" }
layer { name: "product" type: "Eltwise" bottom: "joined" bottom: "power" top: "product" eltwise_param { operation: PROD } }
layer { name: "most" type: "Eltwise" bottom: "product" bottom: "data" top: "most" eltwise_param { operation: MAX } }
layer { name: "reshape" type: "Reshape" bottom: "most" top: "reshape" reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 11 } } }
layer { name: "soft" type: "Softmax" bottom: "reshape" top: "soft" softmax_param { axis: 1 } }
layer { name: "crop" type: "Crop" bottom: "soft" bottom: "reshape" top: "crop" crop_param { axis: 2 offset: 0 } }
""",
}


def blobs_of(layer, channels, rng):
    """Shapes of a layer's blobs; the test networks' channels are known."""
    name, conv = layer.name, layer.convolution_param
    if layer.type == "Convolution":
        kernel = [conv.kernel_h, conv.kernel_w] if conv.HasField("kernel_h") else [conv.kernel_size[0]] * 2
        shapes = [[conv.num_output, channels // conv.group] + kernel]
    elif layer.type == "Deconvolution":
        shapes = [[4, conv.num_output // conv.group] + [conv.kernel_size[0]] * 2]
    elif layer.type == "InnerProduct":
        shapes = [[layer.inner_product_param.num_output, channels * 13 * 11]]
    elif layer.type == "BatchNorm":
        return [rng.normal(0, 1, channels) * 3, rng.uniform(0.5, 2, channels) * 3, np.array([3.0])]
    elif layer.type == "Scale":
        return [rng.uniform(0.5, 2, channels)] + ([rng.normal(0, 1, channels)] if layer.scale_param.bias_term else [])
    elif layer.type == "PReLU":
        return [rng.uniform(0.1, 0.5, channels)]
    else:
        return []
    bias = layer.inner_product_param.bias_term if layer.type == "InnerProduct" else conv.bias_term
    weight = rng.normal(0, (2 / np.prod(shapes[0][1:])) ** 0.5, shapes[0])
    return [weight] + ([rng.normal(0, 0.5, layer.inner_product_param.num_output or conv.num_output)] if bias else [])


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"--python_out={folder}", f"-I{PROTO}", str(PROTO / "caffe.proto")], check=True)
        sys.path.insert(0, folder)
        import caffe_pb2
    for seed, (name, text) in enumerate(NETWORKS.items()):
        rng = np.random.default_rng(seed)
        (HERE / f"{name}.prototxt").write_text(text)
        network = text_format.Parse(text, caffe_pb2.NetParameter())
        for layer in network.layer:
            for values in blobs_of(layer, 6, rng):
                blob = layer.blobs.add()
                blob.shape.dim.extend(values.shape)
                blob.data.extend(values.astype(np.float32).ravel().tolist())
        (HERE / f"{name}.caffemodel").write_bytes(network.SerializeToString())
        data = rng.normal(0, 1, (1, 6, 13, 11)).astype(np.float32)
        net = cv2.dnn.readNetFromCaffe(str(HERE / f"{name}.prototxt"), str(HERE / f"{name}.caffemodel"))
        net.setInput(data)
        out = net.forward()
        data.tofile(HERE / f"{name}.input.bin")
        out.astype("<f4").tofile(HERE / f"{name}.output.bin")
        print(name, out.shape)


if __name__ == "__main__":
    main()
