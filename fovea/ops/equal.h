#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op equal;
}

// a == b with broadcasting; any type, both the same → bool. NaN equals nothing. Source: ONNX Equal-13.
Value equal(Graph& graph, Value a, Value b);

}  // namespace fovea
