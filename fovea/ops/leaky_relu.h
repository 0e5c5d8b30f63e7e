#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct LeakyReluAttributes {
  double alpha = 0.01;
  FOVEA_FIELDS(LeakyReluAttributes, alpha)
};

namespace ops {
extern const Op leaky_relu;
}

// alpha x below 0, x elsewhere; any shape, floating point. Source: ONNX LeakyRelu-16.
Value leaky_relu(Graph& graph, Value x, LeakyReluAttributes attributes = {});

}  // namespace fovea
