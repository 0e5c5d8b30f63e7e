#!/usr/bin/env python3
"""Writes small data sets with Python's own gzip, lzma, tarfile and zipfile, which know nothing of libarchive:
the tests of fovea/data read them, and the fuzzer starts from them.

Picture i of an IDX file is 5x4 (height x width) with pixel k = (37 i + 11 k) mod 256 and label (3 i + 1) mod 10.
Picture i of a CIFAR file has byte k (of 3072, in planes) = (i + k // 5) mod 256, and label (7 i + 2) mod 10, or
coarse i mod 20 and fine (13 i + 4) mod 100. Run it again to get the same bytes (Python 3.11, zlib 1.2.13).
"""
import gzip
import io
import lzma
import pathlib
import struct
import tarfile
import zipfile

OUT = pathlib.Path(__file__).resolve().parent / "files"


def idx_pictures(count):
    values = bytes((37 * i + 11 * k) % 256 for i in range(count) for k in range(20))
    return struct.pack(">IIII", 0x0803, count, 5, 4) + values


def idx_labels(count):
    return struct.pack(">II", 0x0801, count) + bytes((3 * i + 1) % 10 for i in range(count))


def planes(i):
    return bytes((i + k // 5) % 256 for k in range(3072))


def cifar10(first, count):
    return b"".join(bytes([(7 * i + 2) % 10]) + planes(i) for i in range(first, first + count))


def cifar100(count):
    return b"".join(bytes([i % 20, (13 * i + 4) % 100]) + planes(i) for i in range(count))


def packed_tar(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 9, mtime=0)


def packed_zip(files):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return raw.getvalue()


def main():
    OUT.mkdir(exist_ok=True)
    delta = [{"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2, "preset": 9}]
    folder = "cifar-10-batches-bin/"
    files = {
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx_pictures(6), 9, mtime=0),
        "t10k-labels-idx1-ubyte": idx_labels(6),
        "train-images-idx3-ubyte": idx_pictures(9),
        "train-labels-idx1-ubyte.xz": lzma.compress(idx_labels(9)),
        "cifar10_test_batch.bin.xz": lzma.compress(cifar10(0, 3), filters=delta),
        "cifar100_test.bin.gz": gzip.compress(cifar100(2), 9, mtime=0),
        "cifar-10-binary.tar.gz": packed_tar({
            folder + "batches.meta.txt": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
            folder + "data_batch_1.bin": cifar10(0, 2),
            folder + "data_batch_2.bin": cifar10(2, 1),
            folder + "readme.html": b"<html/>",
            folder + "test_batch.bin": cifar10(0, 3)}),
        "mnist.zip": packed_zip({"MNIST/t10k-images-idx3-ubyte": idx_pictures(6),
                                 "MNIST/t10k-labels-idx1-ubyte": idx_labels(6)}),
        "labels.csv": 'file,class_index,label\n"a, b.jpg",3,"x, y"\nc.png,1,z\n'.encode(),
    }
    for name, data in files.items():
        (OUT / name).write_bytes(data)


if __name__ == "__main__":
    main()
