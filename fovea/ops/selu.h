#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SeluAttributes {
  double alpha = 1.67326319217681884765625;  // the f32 numbers that ONNX names
  double gamma = 1.05070102214813232421875;
  FOVEA_FIELDS(SeluAttributes, alpha, gamma)
};

namespace ops {
extern const Op selu;
}

// gamma x above 0, gamma alpha (e^x - 1) elsewhere; any shape, floating point. Source: ONNX Selu-6.
Value selu(Graph& graph, Value x, SeluAttributes attributes = {});

}  // namespace fovea
