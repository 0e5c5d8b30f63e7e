#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op and_;
}

// a and b with broadcasting, bool. Throws Error{type} for others. Source: ONNX And-7.
Value and_(Graph& graph, Value a, Value b);

}  // namespace fovea
