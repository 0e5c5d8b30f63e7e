#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op tanh;
}

// tanh x, any shape, floating point. Source: ONNX Tanh-13.
Value tanh(Graph& graph, Value x);

}  // namespace fovea
