#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op softplus;
}

// ln(1 + e^x), any shape, floating point. Source: ONNX Softplus-1.
Value softplus(Graph& graph, Value x);

}  // namespace fovea
