#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SqueezeAttributes {
  Ints axes;  // empty: every axis of size 1
  FOVEA_FIELDS(SqueezeAttributes, axes)
};

namespace ops {
extern const Op squeeze;
}

// x without the axes named, which must be of size 1; without all axes of size 1 when none is named. Negative axes count
// from the end.
// Throws Error{shape}. Source: ONNX Squeeze-13.
Value squeeze(Graph& graph, Value x, Ints axes = {});

}  // namespace fovea
