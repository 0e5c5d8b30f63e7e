#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SplitAttributes {
  int64_t axis = 0;
  Ints sizes;         // of the pieces; empty: see parts
  int64_t parts = 0;  // number of pieces of size ceil(size / parts); the last takes what is left
  FOVEA_FIELDS(SplitAttributes, axis, sizes, parts)
};

namespace ops {
extern const Op split;
}

// Cuts x along an axis into pieces of the given sizes, or into `parts` equal ones, of which the last may be smaller.
// One value a piece.
// Throws Error{shape} where the sizes do not add up. Source: ONNX Split-18.
std::vector<Value> split(Graph& graph, Value x, SplitAttributes attributes);

}  // namespace fovea
