#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op softsign;
}

// x / (1 + |x|), any shape, floating point. Source: ONNX Softsign-1.
Value softsign(Graph& graph, Value x);

}  // namespace fovea
