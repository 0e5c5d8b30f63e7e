#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct FlattenAttributes {
  int64_t axis = 1;
  FOVEA_FIELDS(FlattenAttributes, axis)
};

namespace ops {
extern const Op flatten;
}

// x as a matrix: the axes before `axis` are rows, the others columns. axis in [-rank, rank]; 0 gives one row. Source:
// ONNX Flatten-13.
Value flatten(Graph& graph, Value x, int64_t axis = 1);

}  // namespace fovea
