// The gradient of a convolution with respect to an image: few channels, many positions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fovea/backend/cpu/kernels/winograd.h"

namespace fovea::kernels {

constexpr int64_t kImageChannelsMost = 4;
constexpr int64_t kImageTapsMost = 256;

struct ImageGradientShape {
  int64_t batch, channels, height,
      width;  // of the image: dx [batch,channels,height,width], plain; 1 ≤ channels ≤ kImageChannelsMost
  int64_t outputs, out_height, out_width;  // of d
  int64_t kernel_height, kernel_width;     // at most kImageTapsMost taps in all
  int64_t stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left;
  BlockedStrides d;
};

// Floats of the prepared weights: [outputs/16][kernel][channels][16].
size_t image_gradient_weight_floats(const ImageGradientShape& shape);
// w [outputs,channels,kernel_height,kernel_width] → prepared.
void image_gradient_weights(const ImageGradientShape& shape, const float* w, float* prepared);

// dx[n,c,h,w] = Σ_{o,k} d[n,o,p] · w[o,c,k] over all p·stride − pad + k·dilation = (h,w). The sum's order is fixed.
// Threaded.
void image_gradient(const ImageGradientShape& shape, const float* d, const float* prepared, float* dx);

}  // namespace fovea::kernels
