#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct GeluAttributes {
  std::string approximate = "none";  // or tanh
  FOVEA_FIELDS(GeluAttributes, approximate)
};

namespace ops {
extern const Op gelu, gelu_gradient;
}

// x Φ(x), any shape, floating point; approximate is "none" or "tanh". Throws Error{usage} for another. Source: ONNX
// Gelu-20.
Value gelu(Graph& graph, Value x, GeluAttributes attributes = {});
// d · dy/dx, d and x of one shape: what back-propagation through a gelu does, in one step.
Value gelu_gradient(Graph& graph, Value d, Value x, GeluAttributes attributes = {});

}  // namespace fovea
