#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct HardSigmoidAttributes {
  double alpha = 0.2;
  double beta = 0.5;
  FOVEA_FIELDS(HardSigmoidAttributes, alpha, beta)
};

namespace ops {
extern const Op hard_sigmoid;
}

// max(0, min(1, alpha x + beta)); any shape, floating point. Source: ONNX HardSigmoid-6.
Value hard_sigmoid(Graph& graph, Value x, HardSigmoidAttributes attributes = {});

}  // namespace fovea
