// Max pooling that remembers where each maximum was, and its adjoint, on planes of pixels of one or more lanes.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// Tensors are [planes, height, width, lanes]: plain NCHW has N·C planes of 1 lane, nChw16c N·C/16 of 16, nhwc N of C.
// Switches are plane positions y·width + x (without lanes), one for each element.
struct PoolShape {
  int64_t planes, height, width, lanes;  // x
  int64_t out_height, out_width;
  int64_t kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left;
};

// The first of equal maxima in row-major order wins; NaN wins over numbers. switches may be null. Threaded.
void max_pool(const PoolShape& shape, const float* x, float* y, int32_t* switches);

// x[plane,switch,lane] += d[plane,p,lane], x zero elsewhere; positions outside of the plane are left out. d and
// switches [planes,out_height,out_width,lanes], x [planes,height,width,lanes]. Threaded; sums in order of p. Fastest
// where the switches are those of 2×2 windows side by side.
struct UnpoolShape {
  int64_t planes, height, width, out_height, out_width, lanes;
};
void unpool(const UnpoolShape& shape, const float* d, const int32_t* switches, float* x);

// y[plane,p,lane] = x[plane,switch,lane], 0 where the switch lies outside of the plane.
void take_switches(const float* x, const int32_t* switches, float* y, int64_t planes, int64_t positions, int64_t size,
                   int64_t lanes);

}  // namespace fovea::kernels
