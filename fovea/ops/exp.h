#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op exp;
}

// e^x, any shape, floating point. Source: ONNX Exp-13.
Value exp(Graph& graph, Value x);

}  // namespace fovea
