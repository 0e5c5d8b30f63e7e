#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct BatchNormAttributes {
  double epsilon = 1e-5;  // added to the variance
  FOVEA_FIELDS(BatchNormAttributes, epsilon)
};

namespace ops {
extern const Op batch_norm;
}

// Inference: x [N,C,...], scale, bias, mean, variance [C] → (x − mean) / √(variance + epsilon) · scale + bias, per
// channel. f32 or f64. Throws Error{shape} when a statistic does not match the channels. Source: ONNX
// BatchNormalization-15 with training_mode 0.
Value batch_norm(Graph& graph, Value x, Value scale, Value bias, Value mean, Value variance,
                 BatchNormAttributes attributes = {});

}  // namespace fovea
