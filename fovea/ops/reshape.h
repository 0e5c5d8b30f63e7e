#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ReshapeAttributes {
  bool allow_zero = false;  // false: a 0 in the shape copies the input's size on that axis (ONNX)
  FOVEA_FIELDS(ReshapeAttributes, allow_zero)
};

namespace ops {
extern const Op reshape;
}

// Same elements, other shape; one size may be -1. `shape` is a vector of i64 known at build time.
Value reshape(Graph& graph, Value x, Value shape, ReshapeAttributes attributes = {});
Value reshape(Graph& graph, Value x, const Shape& shape);

}  // namespace fovea
