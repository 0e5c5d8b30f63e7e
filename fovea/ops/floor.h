#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op floor;
}

// The largest integer not above x, any shape and numeric type. No gradient flows. Source: ONNX Floor-13.
Value floor(Graph& graph, Value x);

}  // namespace fovea
