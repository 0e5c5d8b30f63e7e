#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ShapeAttributes {
  int64_t start = 0;
  int64_t end = INT64_MAX;  // past the last axis
  FOVEA_FIELDS(ShapeAttributes, start, end)
};

namespace ops {
extern const Op shape;
}

// The sizes [start, end) of x's axes as a vector of i64, known at build time. Negative counts from the end; both are
// clamped.
// Source: ONNX Shape-15.
Value shape(Graph& graph, Value x, ShapeAttributes attributes = {});

}  // namespace fovea
