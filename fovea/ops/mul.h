#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op mul;
}

// a · b with broadcasting; any numeric type, both the same. Source: ONNX Mul-14.
Value mul(Graph& graph, Value a, Value b);

}  // namespace fovea
