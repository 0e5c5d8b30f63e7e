#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op neg;
}

// -x, any shape and numeric type; unsigned integers wrap around. Source: ONNX Neg-13.
Value neg(Graph& graph, Value x);

}  // namespace fovea
