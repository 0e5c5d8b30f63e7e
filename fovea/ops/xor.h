#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op xor_;
}

// a xor b with broadcasting, bool. Throws Error{type} for others. Source: ONNX Xor-7.
Value xor_(Graph& graph, Value a, Value b);

}  // namespace fovea
