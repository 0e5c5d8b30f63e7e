#!/usr/bin/env python3
"""Writes files/ : .npy and .npz files by NumPy, and expected.txt: file TAB array TAB dtype TAB shape TAB little-endian bytes in hex.

Run: python3 make.py   (needs numpy)
"""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FILES = HERE / "files"
expected = []


def expect(file, name, array):
    kind = "bool" if array.dtype.kind == "b" else array.dtype.kind + str(8 * array.dtype.itemsize)
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes().hex()
    expected.append("\t".join([file, name, kind, "x".join(map(str, array.shape)) or "scalar", data]))


def save(name, array, version=None):
    with open(FILES / (name + ".npy"), "wb") as out:
        np.lib.format.write_array(out, array, version=version)
    expect(name + ".npy", name, array)


def main():
    FILES.mkdir(exist_ok=True)
    for file in FILES.iterdir():
        file.unlink()
    arrays = {}
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
        numbers = np.arange(-4, 8).reshape(2, 3, 2)
        arrays[kind] = (numbers > 0) if kind == "b1" else numbers.astype("<" + kind)
        save(kind, arrays[kind])
        if kind[1] != "1":
            save(kind + "_big", numbers.astype(">" + kind))
    save("fortran", np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)))
    save("fortran_big", np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)))
    save("scalar", np.array(2.5))
    save("empty", np.zeros((0, 3), np.float32))
    save("version2", np.arange(3, dtype=np.float32), (2, 0))
    save("version3", np.arange(3, dtype=np.float32), (3, 0))
    np.savez(FILES / "stored.npz", **arrays)
    np.savez_compressed(FILES / "deflated.npz", **arrays, zeros=np.zeros((16, 16), np.float32))
    for name, array in arrays.items():
        expect("stored.npz", name, array)
        expect("deflated.npz", name, array)
    expect("deflated.npz", "zeros", np.zeros((16, 16), np.float32))
    (HERE / "expected.txt").write_text("".join(line + "\n" for line in expected))


main()
