#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sin;
}

// sin x, any shape, floating point. Source: ONNX Sin-7.
Value sin(Graph& graph, Value x);

}  // namespace fovea
