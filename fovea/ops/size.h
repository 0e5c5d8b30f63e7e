#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op size;
}

// The number of x's elements, an i64 scalar, known at build time. Source: ONNX Size-13.
Value size(Graph& graph, Value x);

}  // namespace fovea
