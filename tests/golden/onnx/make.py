#!/usr/bin/python3
"""Small ONNX models of several ages: where the fuzzer of the ONNX reader starts. Needs python3-onnx and python3-numpy."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / "files"


def weight(name, *shape):
    return numpy_helper.from_array(np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape), name)


def save(name, opset, nodes, weights, output):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, output)
    graph = helper.make_graph(nodes, name, [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="golden")
    model.ir_version = 3 if opset < 9 else 8
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def main():
    FOLDER.mkdir(exist_ok=True)
    node = helper.make_node
    save("modern", 17, [
        node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), node("GlobalAveragePool", ["p"], ["g"]),
        node("Flatten", ["g"], ["f"]), node("Gemm", ["f", "v"], ["z"], transB=1), node("Softmax", ["z"], ["y"], axis=1),
    ], [weight("w", 4, 3, 3, 3), weight("b", 4), weight("v", 5, 4)], [1, 5])
    save("old", 1, [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1], auto_pad="SAME_UPPER"), node("Add", ["c", "b"], ["a"], axis=1, broadcast=1),
        node("Reshape", ["a"], ["y"], shape=[1, 256]),
    ], [weight("w", 4, 3, 1, 1), weight("b", 4)], [1, 256])
    save("shapes", 17, [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Unsqueeze", ["n", "axis"], ["u"]),
        node("Concat", ["u", "rest"], ["to"], axis=0), node("Reshape", ["x", "to"], ["f"]), node("Slice", ["f", "axis", "end", "one"], ["y"]),
    ], [numpy_helper.from_array(np.array(v, dtype=np.int64), k) for k, v in
        {"zero": 0, "axis": [0], "rest": [-1], "end": [9], "one": [1]}.items()], [1, 9])


if __name__ == "__main__":
    main()
