#!/bin/sh
# tests/golden/codes/make.sh FOVEA: makes the seeds of tests/fuzz/codes_fuzz.cpp in files/: codes of eight drawn digits with
# their thumbnails, and maps of them by t-SNE and by principal components.
set -eu
cd "$(dirname "$0")/files"
"$1" features builtin:digits "drawn:glyphs?count=8" --layer fc2.relu -o codes.npz
"$1" map codes.npz --method tsne --perplexity 2 --keep tsne.npz -o page.html
"$1" map codes.npz --method pca --keep pca.npz -o page.html
rm page.html
