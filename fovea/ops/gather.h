#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct GatherAttributes {
  int64_t axis = 0;
  FOVEA_FIELDS(GatherAttributes, axis)
};

namespace ops {
extern const Op gather;
}

// x taken at indices along an axis: shape of x before the axis + shape of indices + shape of x after it. Indices are
// i32 or i64 in [-n, n).
// Throws Error{shape} for known indices out of range; those of run time throw Error{usage}. Source: ONNX Gather-13.
Value gather(Graph& graph, Value x, Value indices, int64_t axis = 0);

}  // namespace fovea
