#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op identity;
}

// x itself, any shape and element type. Source: ONNX Identity-13.
Value identity(Graph& graph, Value x);

}  // namespace fovea
