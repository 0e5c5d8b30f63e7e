#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op erf;
}

// The error function, any shape, floating point. Source: ONNX Erf-13.
Value erf(Graph& graph, Value x);

}  // namespace fovea
