#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op or_;
}

// a or b with broadcasting, bool. Throws Error{type} for others. Source: ONNX Or-7.
Value or_(Graph& graph, Value a, Value b);

}  // namespace fovea
