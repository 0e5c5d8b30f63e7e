#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct OneHotAttributes {
  int64_t axis = -1;  // of the result
  FOVEA_FIELDS(OneHotAttributes, axis)
};

namespace ops {
extern const Op one_hot;
}

// on where the position along the new axis is the index, off elsewhere. depth: one integer known at build time, the new
// axis' size; values: [off, on], whose type is the result's. Indices of any integer or floating type, negative ones
// from the end; those out of [-depth, depth) are off everywhere. Source: ONNX OneHot-11.
Value one_hot(Graph& graph, Value indices, Value depth, Value values, int64_t axis = -1);

}  // namespace fovea
