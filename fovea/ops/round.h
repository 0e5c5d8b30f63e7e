#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op round;
}

// The nearest integer, halves to the even one; any shape and numeric type. No gradient flows. Source: ONNX Round-11.
Value round(Graph& graph, Value x);

}  // namespace fovea
