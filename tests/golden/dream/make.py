#!/usr/bin/env python3
"""DeepDream as the notebook google/deepdream publishes it, re-implemented in PyTorch with the real weights, for
tests/insight/dream_golden_test.cpp.

The network (network.py) is built from the .prototxt of BVLC GoogLeNet in the data folder. The picture is a crop of art/photo_cat_chelsea.png, BGR minus (104, 116, 122). Written:
  step.npy     what the first step (roll by 11 down, 23 to the left) adds to the picture, in network order [3,H,W], f16
  shifts.txt   down and right of each step of the run, coarse octave first
  run.npy      the picture [H,W,3] RGB u8 after 4 octaves x 10 steps, sizes by scipy.ndimage.zoom of order 1
  octave-K.npy [2,3,h,w] f16: where each octave but the last began (rounded to f16), and what one more step from there adds,
               rolled by the first shift of that octave
Free runs are chaotic: begun with noise of 1e-4 grey levels on the picture, this script's own run ends 27.5 dB from where
it ends without (76.8 dB after 5 steps, 43.2 after 10, 32.5 after 20), which is printed.
Run with Debian 12's python3-torch (1.13.1), python3-scipy, python3-pil: ./make.py DATA_FOLDER"""
import pathlib
import sys

import numpy as np
import scipy.ndimage
import torch
from PIL import Image

sys.dont_write_bytecode = True
from network import read_network  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(sys.argv[1])
MEAN = np.float32([104, 116, 122]).reshape(3, 1, 1)
LAYER, STEP, JITTER, OCTAVES, SCALE, STEPS = "inception_4c/output", 1.5, 32, 4, 1.4, 10
torch.set_num_threads(1)
activations = read_network(DATA / "weights/bvlc_googlenet_f16", LAYER)


def zoom(picture, *factors):
    """As the notebook, but with mode = "nearest": with the default one, rounding may put the last row or column just outside
    of the picture, and it becomes 0."""
    return scipy.ndimage.zoom(picture, (1, *factors), order=1, mode="nearest")


def make_step(picture, ox, oy):
    """One step, in place, on a picture [3,H,W]."""
    picture[:] = np.roll(np.roll(picture, ox, -1), oy, -2)
    x = torch.from_numpy(picture[None].copy()).requires_grad_(True)
    answer = activations(x)
    answer.backward(answer.detach())  # objective_L2: dst.diff[:] = dst.data
    g = x.grad[0].numpy()
    picture += STEP / np.abs(g).mean() * g
    picture[:] = np.roll(np.roll(picture, -ox, -1), -oy, -2)
    picture[:] = np.clip(picture, -MEAN, 255 - MEAN)


photo = np.asarray(Image.open(DATA / "art/photo_cat_chelsea.png").convert("RGB"))[60:188, 110:270]
base = np.ascontiguousarray(np.float32(np.rollaxis(photo, 2)[::-1]) - MEAN)

after = base.copy()
make_step(after, -23, 11)
np.save(HERE / "step.npy", (after - base).astype(np.float16))


def run(base, shifts, begun):
    rng = np.random.RandomState(0)
    octaves = [base]
    for _ in range(OCTAVES - 1):
        octaves.append(zoom(octaves[-1], 1 / SCALE, 1 / SCALE))
    detail = np.zeros_like(octaves[-1])
    for number, octave in enumerate(octaves[::-1]):
        h, w = octave.shape[-2:]
        if number > 0:
            h1, w1 = detail.shape[-2:]
            detail = zoom(detail, h / h1, w / w1)
        picture = octave + detail
        begun.append(picture.copy())
        for _ in range(STEPS):
            ox, oy = rng.randint(-JITTER, JITTER + 1, 2)
            shifts.append((oy, ox))
            make_step(picture, ox, oy)
        detail = picture - octave
    return picture


shifts, begun = [], []
picture = run(base, shifts, begun)
for number, start in enumerate(begun[:-1]):
    start = start.astype(np.float16).astype(np.float32)
    after = start.copy()
    oy, ox = shifts[number * STEPS]
    make_step(after, ox, oy)
    np.save(HERE / f"octave-{number}.npy", np.stack([start, after - start]).astype(np.float16))
noise = np.float32(1e-4) * np.random.RandomState(1).randn(*base.shape).astype(np.float32)
print("dB from a run begun with noise of 1e-4 levels:", 10 * np.log10(255**2 / np.mean((run(base + noise, [], []) - picture)**2)))
made = np.uint8(np.clip(np.rint(picture + MEAN), 0, 255))[::-1].transpose(1, 2, 0)
np.save(HERE / "run.npy", np.ascontiguousarray(made))
(HERE / "shifts.txt").write_text("".join(f"{down} {right}\n" for down, right in shifts))
