#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op log;
}

// The natural logarithm, any shape, floating point. Source: ONNX Log-13.
Value log(Graph& graph, Value x);

}  // namespace fovea
