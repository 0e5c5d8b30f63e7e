#!/usr/bin/env python3
"""histogram.txt: the histograms of one small picture of a formula given to another, as skimage.exposure.match_histograms defines it
(numpy.interp over the shares of pixels that are at most each value), for tests/image/colour_transfer_test.cpp.
Run with Debian 12's python3-numpy."""
import pathlib

import numpy as np


def picture(width, height, seed):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * (13 + 2 * seed) + y * (7 + c) + c * 31 * seed + x * y * (seed + c)) % (160 + 30 * c) + 10).astype(np.float64)


def matched(source, template):
    _, where, counts = np.unique(source.reshape(-1), return_inverse=True, return_counts=True)
    values, others = np.unique(template.reshape(-1), return_counts=True)
    return np.interp(np.cumsum(counts) / source.size, np.cumsum(others) / template.size, values)[where].reshape(source.shape)


one, other = picture(20, 15, 1), picture(17, 11, 2)
made = np.stack([matched(one[..., c], other[..., c]) for c in range(3)], axis=-1)
pathlib.Path(__file__).with_name("histogram.txt").write_text("\n".join(" ".join(f"{v:.6g}" for v in row.reshape(-1)) for row in made) + "\n")
