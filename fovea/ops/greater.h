#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op greater;
}

// a > b with broadcasting; any numeric type, both the same → bool. Source: ONNX Greater-13.
Value greater(Graph& graph, Value a, Value b);

}  // namespace fovea
