#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sqrt;
}

// √x, any shape, floating point. Source: ONNX Sqrt-13.
Value sqrt(Graph& graph, Value x);

}  // namespace fovea
