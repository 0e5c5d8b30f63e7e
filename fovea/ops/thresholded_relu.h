#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ThresholdedReluAttributes {
  double alpha = 1;
  FOVEA_FIELDS(ThresholdedReluAttributes, alpha)
};

namespace ops {
extern const Op thresholded_relu;
}

// x above alpha, 0 elsewhere; any shape, floating point. Source: ONNX ThresholdedRelu-10.
Value thresholded_relu(Graph& graph, Value x, ThresholdedReluAttributes attributes = {});

}  // namespace fovea
