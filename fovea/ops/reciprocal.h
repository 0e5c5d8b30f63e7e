#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op reciprocal;
}

// 1 / x, any shape, floating point. Source: ONNX Reciprocal-13.
Value reciprocal(Graph& graph, Value x);

}  // namespace fovea
