#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op where;
}

// a where condition (bool) holds, b elsewhere; all three broadcast; any element type of a and b, both the same. Source:
// ONNX Where-16.
Value where(Graph& graph, Value condition, Value a, Value b);

}  // namespace fovea
