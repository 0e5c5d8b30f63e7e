// What goes into a tile's program and comes out of it.
#pragma once

#include "fovea/insight/tiling.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Of values [1,C,H,W] f32 the part [1,C,height,width] from (top, left) on; zeros where it reaches beyond them.
Tensor cut_out(const Tensor& values, int64_t top, int64_t left, int64_t height, int64_t width);

// [1,1,height,width]: 1 in these rows and columns, 0 elsewhere.
Tensor owned_mask(int64_t height, int64_t width, Positions rows, Positions columns);

// sum += part; f64 and f32 of one shape.
void add_to(Tensor& sum, const Tensor& part);

// whole[1,C,H,W] += part [1,C,h,w] at (top, left), which must lie inside.
void add_at(Tensor& whole, const Tensor& part, int64_t top, int64_t left);

}  // namespace fovea
