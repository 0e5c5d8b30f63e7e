#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sign;
}

// -1, 0 or 1, any shape and numeric type. No gradient flows. Source: ONNX Sign-13.
Value sign(Graph& graph, Value x);

}  // namespace fovea
