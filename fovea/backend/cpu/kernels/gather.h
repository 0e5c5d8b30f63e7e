// Slices taken and added at indices, in whatever order: elements of 4 bytes moved, and sums of f32.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// [outer, size, inner] and [outer, count, inner]; `at` holds `count` positions from 0 to below `size`.
struct GatherShape {
  int64_t outer = 1, size = 0, count = 0, inner = 1;
};

// y[o,i,r] = x[o,at[i],r], elements of 4 bytes.
void gather(const GatherShape& shape, const float* x, const int32_t* at, float* y);

// y[o,s,r] = Σ_{i: at[i] = s} d[o,i,r], in double and in the order of i, whatever the number of threads. `sums` holds
// outer · size · inner doubles.
void scatter_add(const GatherShape& shape, const float* d, const int32_t* at, float* y, double* sums);

}  // namespace fovea::kernels
