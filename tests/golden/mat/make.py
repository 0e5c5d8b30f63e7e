#!/usr/bin/env python3
"""Writes .mat files of level 5 with scipy.io.savemat (1.10.1): the tests of formats/mat_read and data/svhn read them, and
the fuzzer starts from them.

svhn_32x32.mat (compressed) and plain.mat (not) hold X [32,32,3,N] u8 with X[r,c,k,i] = (7 r + 3 c + 50 k + 11 i) mod 256
and y [N,1] u8 = 1 + i mod 10, N = 12 and 2. kinds.mat holds one variable of every class that is read, a[i,j] = 3 i + j - 2
(0 for unsigned types where that is negative), and a struct, a cell, a sparse and a complex one, which are passed over.
big_endian.mat is kinds.mat's d and i16 written by hand with the bytes the other way round, as MATLAB did on SPARC.
"""
import pathlib
import struct

import numpy as np
import scipy.io
import scipy.sparse

OUT = pathlib.Path(__file__).resolve().parent / "files"


def svhn(count):
    r, c, k, i = np.meshgrid(np.arange(32), np.arange(32), np.arange(3), np.arange(count), indexing="ij")
    labels = (1 + np.arange(count) % 10).astype(np.uint8).reshape(-1, 1)
    return {"X": ((7 * r + 3 * c + 50 * k + 11 * i) % 256).astype(np.uint8), "y": labels}


def table(dtype):
    values = 3 * np.arange(2)[:, None] + np.arange(3)[None, :] - 2
    return (np.maximum(values, 0) if np.dtype(dtype).kind == "u" else values).astype(dtype)


def kinds():
    names = {"d": "f8", "s": "f4", "i8": "i1", "u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4", "u32": "u4", "i64": "i8",
             "u64": "u8"}
    out = {name: table(dtype) for name, dtype in names.items()}
    out.update(logical=np.array([[True, False]]), text="fovea", whole=np.arange(6.0).reshape(2, 3), empty=np.zeros((0, 3)),
               record={"a": 1}, cell=np.array([1, "x"], dtype=object), sparse=scipy.sparse.eye(3).tocsc(),
               complex=np.array([[1 + 2j]]))
    return out


def element(kind, data):
    return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def big_endian():
    def matrix(name, array, kind, code):
        body = element(6, struct.pack(">II", kind, 0)) + element(5, struct.pack(">2i", *array.shape))
        body += element(1, name.encode()) + element(code, array.astype(array.dtype.newbyteorder(">")).tobytes("F"))
        return element(14, body)

    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    return header + matrix("d", table("f8"), 6, 9) + matrix("i16", table("i2"), 10, 3)


def main():
    OUT.mkdir(exist_ok=True)
    scipy.io.savemat(OUT / "svhn_32x32.mat", svhn(12), do_compression=True)
    scipy.io.savemat(OUT / "plain.mat", svhn(2))
    scipy.io.savemat(OUT / "kinds.mat", kinds(), do_compression=True)
    (OUT / "big_endian.mat").write_bytes(big_endian())
    for path in OUT.iterdir():  # the header names the time and the platform
        data = bytearray(path.read_bytes())
        data[:116] = b"MATLAB 5.0 MAT-file".ljust(116)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
