#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op hard_swish;
}

// x max(0, min(1, x / 6 + 1 / 2)); any shape, floating point. Source: ONNX HardSwish-14.
Value hard_swish(Graph& graph, Value x);

}  // namespace fovea
