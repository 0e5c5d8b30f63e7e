#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op less;
}

// a < b with broadcasting; any numeric type, both the same → bool. Source: ONNX Less-13.
Value less(Graph& graph, Value a, Value b);

}  // namespace fovea
