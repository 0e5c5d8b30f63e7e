#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op div;
}

// a / b with broadcasting; any numeric type, both the same. Integers truncate towards zero. Source: ONNX Div-14.
Value div(Graph& graph, Value a, Value b);

}  // namespace fovea
