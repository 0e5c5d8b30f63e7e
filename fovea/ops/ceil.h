#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op ceil;
}

// The smallest integer not below x, any shape and numeric type. No gradient flows. Source: ONNX Ceil-13.
Value ceil(Graph& graph, Value x);

}  // namespace fovea
