#!/usr/bin/env python3
"""Trajectories of torch.optim.LBFGS in double, for tests/train/lbfgs_test.cpp.

Written are, for each function and setting, after every step: the loss that step() returned, the number of
evaluations so far and the coordinates. Functions: Rosenbrock's with factor 10 in 10 dimensions from (-1.2, 1, …), and a small
softmax regression (12 samples, 5 features, 3 classes, weights [5,3], a ridge of 1e-3) on the formula of tests/formula.h.
Run with Debian 12's python3-torch (1.13.1)."""
import pathlib

import torch

HERE = pathlib.Path(__file__).resolve().parent


def uniform(name, count):
    h = 0xCBF29CE484222325
    mask = 0xFFFFFFFFFFFFFFFF
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & mask
    out = []
    for i in range(count):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        out.append((z >> 40) * 2.0**-24 * 2 - 1)
    return out


FEATURES = torch.tensor(uniform("features", 60), dtype=torch.float64).reshape(12, 5)
LABELS = torch.arange(12) % 3


def rosenbrock(x):
    return (10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def regression(x):
    logits = FEATURES @ x.reshape(5, 3)
    return torch.nn.functional.cross_entropy(logits, LABELS) + 1e-3 * (x * x).sum()


STARTS = {rosenbrock: [-1.2, 1.0] * 5, regression: uniform("start", 15)}
SETTINGS = {
    "wolfe1": dict(max_iter=1, history_size=10, line_search_fn="strong_wolfe"),
    "wolfe20": dict(max_iter=20, history_size=5, line_search_fn="strong_wolfe"),
    "plain1": dict(max_iter=1, history_size=10),
    "plain4": dict(max_iter=4, history_size=3, lr=0.5),
}
STEPS = 50

lines = []
for function, start in STARTS.items():
    for name, settings in SETTINGS.items():
        if function is rosenbrock and name == "plain1":
            continue  # leaves the valley and comes back: rounding grows beyond 1e-9
        x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([x], **settings)

        def closure():
            optimiser.zero_grad()
            loss = function(x)
            loss.backward()
            return loss

        for step in range(1, STEPS + 1):
            loss = optimiser.step(closure)
            evaluations = optimiser.state[x]["func_evals"]
            values = " ".join(f"{v:.17g}" for v in x.tolist())
            lines.append(f"{function.__name__} {name} {step} {evaluations} {loss.item():.17g} {values}")
(HERE / "trajectories.txt").write_text("\n".join(lines) + "\n")
