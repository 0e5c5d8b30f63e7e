#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct TransposeAttributes {
  Ints permutation;  // empty: the axes reversed
  FOVEA_FIELDS(TransposeAttributes, permutation)
};

namespace ops {
extern const Op transpose;
}

// Axis k of the result is axis permutation[k] of x; reversed when empty. Throws Error{shape} where it is not a
// permutation.
// Source: ONNX Transpose-13.
Value transpose(Graph& graph, Value x, Ints permutation = {});

}  // namespace fovea
