#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op max;
}

// The larger of a and b with broadcasting; any numeric type, both the same. The gradient is split evenly at ties.
// Source: ONNX Max-13.
Value maximum(Graph& graph, Value a, Value b);

}  // namespace fovea
