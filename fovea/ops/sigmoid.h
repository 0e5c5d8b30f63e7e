#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sigmoid;
}

// 1 / (1 + e^-x), any shape, floating point. Source: ONNX Sigmoid-13.
Value sigmoid(Graph& graph, Value x);

}  // namespace fovea
