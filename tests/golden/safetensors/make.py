#!/usr/bin/env python3
"""Writes files/ : small safetensors files in every element type, by the layout of the format's README; seeds of the fuzzer and a test.

Also expected.txt: file TAB tensor TAB dtype TAB shape TAB little-endian bytes in hex.

Run: python3 make.py   (needs numpy)
"""
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
NAMES = {"b1": ("BOOL", "bool"), "i1": ("I8", "i8"), "i2": ("I16", "i16"), "i4": ("I32", "i32"), "i8": ("I64", "i64"), "u1": ("U8", "u8"),
         "u2": ("U16", "u16"), "u4": ("U32", "u32"), "u8": ("U64", "u64"), "f2": ("F16", "f16"), "f4": ("F32", "f32"), "f8": ("F64", "f64")}
expected = []


def write(file, tensors, metadata=None):
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, ours, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
        expected.append("\t".join([file, name, ours, "x".join(map(str, shape)) or "scalar", content.hex()]))
    text = json.dumps(header).encode()
    (HERE / "files" / file).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    (HERE / "files").mkdir(exist_ok=True)
    tensors = {}
    for kind, (dtype, ours) in NAMES.items():
        numbers = np.arange(-2, 4).reshape(2, 3)
        numbers = (numbers > 0) if kind == "b1" else numbers.astype("<" + kind)
        tensors["layer." + kind] = (dtype, ours, [2, 3], numbers.tobytes())
    tensors["bf16"] = ("BF16", "bf16", [2], struct.pack("<HH", 0x3F80, 0xFF7F))
    write("types.safetensors", tensors)  # mixed sizes: some tensors are not aligned
    one = np.float32(1.5).tobytes()
    write("small.safetensors", {"scalar": ("F32", "f32", [], one), "empty": ("F32", "f32", [0, 2], b""), "größe": ("F32", "f32", [1], one)},
          {"format": "pt", "note": "a \"quoted\" text"})
    (HERE / "expected.txt").write_text("".join(line + "\n" for line in expected))


main()
