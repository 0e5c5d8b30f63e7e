#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op reduce_extreme_gradient;
}

// The gradient of reduce(x, max or min): d and y of x's shape but for size 1 along the reduced axes (which are where
// they differ from x), y the extreme → x's type: d where x is y, divided evenly among ties, else 0. f32 or f64. Throws
// Error{shape} when a shape does not fit. Source: ops/reduce.cpp.
Value reduce_extreme_gradient(Graph& graph, Value d, Value x, Value y);

}  // namespace fovea
