#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct EluAttributes {
  double alpha = 1;
  FOVEA_FIELDS(EluAttributes, alpha)
};

namespace ops {
extern const Op elu;
}

// x above 0, alpha (e^x - 1) elsewhere; any shape, floating point. Source: ONNX Elu-6.
Value elu(Graph& graph, Value x, EluAttributes attributes = {});

}  // namespace fovea
