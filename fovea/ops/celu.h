#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct CeluAttributes {
  double alpha = 1;
  FOVEA_FIELDS(CeluAttributes, alpha)
};

namespace ops {
extern const Op celu;
}

// max(0, x) + min(0, alpha (e^(x / alpha) - 1)); any shape, floating point; alpha is not 0. Source: ONNX Celu-12.
Value celu(Graph& graph, Value x, CeluAttributes attributes = {});

}  // namespace fovea
