#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct GatherElementsAttributes {
  int64_t axis = 0;
  FOVEA_FIELDS(GatherElementsAttributes, axis)
};

struct ScatterElementsAddAttributes {
  int64_t axis = 0;
  Ints shape;  // of the result
  FOVEA_FIELDS(ScatterElementsAddAttributes, axis, shape)
};

namespace ops {
extern const Op gather_elements, scatter_elements_add;
}

// y[i, j, k] = x[indices[i, j, k], j, k] for axis 0, and so on: y has the shape of indices (i32 or i64, in [-n, n)),
// which is no larger than x on the other axes. Out of range: as gather. Source: ONNX GatherElements-13.
Value gather_elements(Graph& graph, Value x, Value indices, int64_t axis = 0);
// Its adjoint: zeros of the shape given, to which d's elements are added at the indices.
Value scatter_elements_add(Graph& graph, Value d, Value indices, ScatterElementsAddAttributes attributes);

}  // namespace fovea
