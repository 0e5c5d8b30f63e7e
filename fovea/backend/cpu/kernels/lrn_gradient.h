// The gradient of local response normalisation across channels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

// Where element (n, c, p) of a value [images, channels, pixels] is: n·image + c/block·step + p·pixel + c%block, in
// floats; with block 1, c·step.
struct PixelStrides {
  int64_t image, block, step, pixel;
};

struct LrnShape {
  int64_t images, channels, pixels;
  int64_t before, after;  // the window of channel c: c − before to c + after
  float scale;            // α / size
  float beta, bias;
  PixelStrides strides;  // of d, x and dx alike
};

// Floats of scratch for `threads` threads.
size_t lrn_gradient_scratch(const LrnShape& shape, int threads);

// dx = d · s^−β − 2βα/size · x · Σ d·x·s^(−β−1), the formulas of ops/lrn.cpp, in float. Sums have a fixed order.
void lrn_gradient(const LrnShape& shape, const float* d, const float* x, float* dx, float* scratch, int threads);

}  // namespace fovea::kernels
