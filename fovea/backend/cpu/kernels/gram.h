// Gram matrices of maps in blocks of 16 channels, and their gradients.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fovea/backend/cpu/kernels/winograd.h"

namespace fovea::kernels {

struct GramShape {
  int64_t batch, channels, height, width;
  BlockedStrides x;
};
struct GramWindow {
  int64_t top, bottom, left, right;  // inside of the maps
};

// G[n,i,j] = Σ_p x_i x_j and, unless null, s[n,i] = Σ_p x_i over the positions of the window; G [batch,C,C] and s
// [batch,C] plain. Half of the products are computed. Sums in f32 of up to 512 positions are added in double, in an
// order that depends on the shape and the window alone. Threaded.
size_t gram_scratch_bytes(const GramShape& shape);
void gram(const GramShape& shape, const GramWindow& window, const float* x, float* products, float* answers,
          void* scratch);

// dx_p = (d + dᵀ) x_p + d_answers in the window, 0 elsewhere, in the order of x; d_answers [batch,C] or null. Threaded.
size_t gram_gradient_scratch_bytes(const GramShape& shape);
void gram_gradient(const GramShape& shape, const GramWindow& window, const float* x, const float* d,
                   const float* d_answers, float* dx, void* scratch);

}  // namespace fovea::kernels
