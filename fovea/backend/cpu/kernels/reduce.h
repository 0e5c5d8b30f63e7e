// Sums and means over one axis of [outer, reduced, inner]: leading, middle or trailing axes of a tensor.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// y[o,i] = scale · Σ_r x[o,r,i]; a mean has scale 1/reduced. Sums in f32 in pieces of fixed lengths whose sums are
// added in double, so that the order depends neither on the number of threads nor on the instruction set. Threaded.
void reduce_sum(const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner, double scale = 1);

}  // namespace fovea::kernels
