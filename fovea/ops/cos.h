#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op cos;
}

// cos x, any shape, floating point. Source: ONNX Cos-7.
Value cos(Graph& graph, Value x);

}  // namespace fovea
