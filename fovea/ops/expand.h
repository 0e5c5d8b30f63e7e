#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op expand;
}

// x broadcast against a shape: sizes of 1 are repeated, axes are added in front. `shape` is a vector of i64 known at
// build time; a 1 in it keeps x's size. Throws Error{shape} where the two do not broadcast. Source: ONNX Expand-13.
Value expand(Graph& graph, Value x, Value shape);
// The same; x itself where it already has that shape.
Value expand(Graph& graph, Value x, const Shape& shape);

}  // namespace fovea
