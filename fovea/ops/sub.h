#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op sub;
}

// a - b with broadcasting; any numeric type, both the same. Source: ONNX Sub-14.
Value sub(Graph& graph, Value a, Value b);

}  // namespace fovea
