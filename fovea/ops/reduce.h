#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ReduceAttributes {
  std::string kind = "sum";  // sum, mean, max, min, prod
  Ints axes;                 // empty: all axes
  bool keep = false;         // keep reduced axes as size 1
  FOVEA_FIELDS(ReduceAttributes, kind, axes, keep)
};

namespace ops {
extern const Op reduce;
}

// Reduces over axes (negative counts from the end). max and min split their gradient evenly among ties.
Value reduce(Graph& graph, Value x, ReduceAttributes attributes = {});

}  // namespace fovea
