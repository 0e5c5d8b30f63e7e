#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op min;
}

// The smaller of a and b with broadcasting; any numeric type, both the same. The gradient is split evenly at ties.
// Source: ONNX Min-13.
Value minimum(Graph& graph, Value a, Value b);

}  // namespace fovea
