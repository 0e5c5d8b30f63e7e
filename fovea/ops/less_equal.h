#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op less_equal;
}

// a <= b with broadcasting; any numeric type, both the same → bool. Source: ONNX LessOrEqual-16.
Value less_equal(Graph& graph, Value a, Value b);

}  // namespace fovea
