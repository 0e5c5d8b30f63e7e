#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ConstantOfShapeAttributes {
  Tensor value;  // one element; empty: f32 zero
  FOVEA_FIELDS(ConstantOfShapeAttributes, value)
};

namespace ops {
extern const Op constant_of_shape;
}

// A tensor of the given shape (a vector of i64 known at build time) filled with one value; its type is the value's, f32
// zero by default.
// Source: ONNX ConstantOfShape-9.
Value constant_of_shape(Graph& graph, Value shape, ConstantOfShapeAttributes attributes = {});

}  // namespace fovea
