// Dropout with keyed random masks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

// A value [images, channels, pixels] of which every element has its row-major index, in memory by blocks of channels:
// element (n, c, p) at n·image + c/block·step + p·pixel + c%block. Plain values are one row: {1, 1, count}, block 1.
struct DropoutShape {
  int64_t images, channels, pixels;
  int64_t image, block, step, pixel;
};

// y = keep[i] ? x · scale : 0, keep[i] = (word i of Rng(key) >> 8) ≥ threshold; i is the row-major index. `mask` (may
// be null; only for plain values) receives keep.
void dropout(const DropoutShape& shape, uint64_t key, uint32_t threshold, double scale, const float* x, float* y,
             uint8_t* mask);

}  // namespace fovea::kernels
