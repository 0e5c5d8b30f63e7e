#pragma once

#include <span>

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sum_of_squares;
}

// Σ over all tensors and their elements x of x², a scalar of their common type (f32 or f64); the square of the norm of
// all gradients together. Throws Error{type} for mixed types, Error{shape} for no tensor at all.
Value sum_of_squares(Graph& graph, std::span<const Value> tensors);

}  // namespace fovea
