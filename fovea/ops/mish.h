#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op mish;
}

// x tanh(softplus(x)); any shape, floating point. Source: ONNX Mish-18.
Value mish(Graph& graph, Value x);

}  // namespace fovea
