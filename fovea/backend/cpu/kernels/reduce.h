// Sums, means and extremes over one axis of [outer, reduced, inner]: leading, middle or trailing axes of a tensor.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// y[o,i] = scale · Σ_r x[o,r,i]; a mean has scale 1/reduced. Sums in f32 in pieces of fixed lengths whose sums are
// added in double, so that the order depends neither on the number of threads nor on the instruction set. Threaded.
void reduce_sum(const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner, double scale = 1);

// y[o,i] = the largest x[o,r,i], or the smallest; NaN where one is. Threaded.
void reduce_extreme(const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner, bool largest);

// dx[o,r,i] = d[o,i] / t where x[o,r,i] = y[o,i], which holds for t values of r; else 0. dx may overwrite x. Threaded.
void reduce_extreme_gradient(const float* d, const float* x, const float* y, float* dx, int64_t outer, int64_t reduced,
                             int64_t inner);

}  // namespace fovea::kernels
