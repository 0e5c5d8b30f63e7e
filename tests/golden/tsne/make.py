#!/usr/bin/env python3
"""Golden values for t-SNE and principal components, by scikit-learn 1.2.1 (Debian 12's python3-sklearn).

Writes points.npy (the data), start.npy (scikit-learn's PCA start), affinities.npy (its joint P, exact), variances.txt
and divergences.txt. Run: tests/golden/tsne/make.py
"""
import os
import pathlib

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
from scipy.spatial.distance import pdist, squareform  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.manifold import TSNE  # noqa: E402
from sklearn.manifold._t_sne import _joint_probabilities  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
COUNT, WIDTH, CLUSTERS = 400, 12, 8


def main():
    draw = np.random.RandomState(5)
    middles = draw.normal(size=(CLUSTERS, WIDTH)) * 1.6
    points = (middles[np.arange(COUNT) % CLUSTERS] + draw.normal(size=(COUNT, WIDTH))).astype(np.float32)
    np.save(HERE / "points.npy", points)
    pca = PCA(n_components=4, svd_solver="full").fit(points)
    (HERE / "variances.txt").write_text("".join(f"{v:.9g}\n" for v in pca.explained_variance_))
    start = PCA(n_components=2, svd_solver="full").fit_transform(points)
    start = (start / np.std(start[:, 0]) * 1e-4).astype(np.float32)
    np.save(HERE / "start.npy", start)
    p = squareform(_joint_probabilities(squareform(pdist(points, "sqeuclidean")), 30.0, 0))
    np.save(HERE / "affinities.npy", p[:40].astype(np.float32))
    lines = []
    for method in ("exact", "barnes_hut"):
        model = TSNE(perplexity=30, init=start, learning_rate="auto", n_iter=1000, method=method, n_iter_without_progress=2000,
                     min_grad_norm=0)
        model.fit(points)
        lines.append(f"{method} {model.kl_divergence_:.6f} {model.n_iter_}\n")
        print(lines[-1], end="")
    (HERE / "divergences.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
