#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ConcatAttributes {
  int64_t axis = 1;
  FOVEA_FIELDS(ConcatAttributes, axis)
};

namespace ops {
extern const Op concat;
}

// The inputs (one or more) one after the other along an axis; other sizes and the element types must agree. Throws
// Error{shape}.
// Source: ONNX Concat-13.
Value concat(Graph& graph, std::vector<Value> inputs, int64_t axis = 1);

}  // namespace fovea
