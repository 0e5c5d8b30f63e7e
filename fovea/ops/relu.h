#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op relu, relu_gradient;
}

// max(0, x), any shape.
Value relu(Graph& graph, Value x);
// d where y > 0, else 0; y is relu's output. What back-propagation through a ReLU does.
Value relu_gradient(Graph& graph, Value d, Value y);

}  // namespace fovea
