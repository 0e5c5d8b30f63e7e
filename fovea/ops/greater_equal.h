#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op greater_equal;
}

// a >= b with broadcasting; any numeric type, both the same → bool. Source: ONNX GreaterOrEqual-16.
Value greater_equal(Graph& graph, Value a, Value b);

}  // namespace fovea
