#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op not_;
}

// not x, any shape, bool. Throws Error{type} for others. Source: ONNX Not-1.
Value not_(Graph& graph, Value x);

}  // namespace fovea
