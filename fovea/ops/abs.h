#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op abs;
}

// |x|, any shape and numeric type. Its gradient at 0 is 0. Source: ONNX Abs-13.
Value abs(Graph& graph, Value x);

}  // namespace fovea
