// Sums and means over one axis of [outer, reduced, inner]: leading, middle or trailing axes of a tensor.
#pragma once

#include <cstdint>

namespace fovea::kernels {

enum class Reduction { sum, mean };

// y[o,i] = Σ_r x[o,r,i], divided by `reduced` for the mean. Sums in f32 in pieces of fixed lengths whose sums are added in
// double, so that the order depends neither on the number of threads nor on the instruction set. Threaded.
void reduce(Reduction kind, const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner);

}  // namespace fovea::kernels
