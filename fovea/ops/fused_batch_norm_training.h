#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct FusedBatchNormTrainingAttributes {
  double epsilon = 1e-5;   // added to the variance
  std::string activation;  // "" or "relu"
  FOVEA_FIELDS(FusedBatchNormTrainingAttributes, epsilon, activation)
};

namespace ops {
extern const Op fused_batch_norm_training, fused_batch_norm_training_gradient,
    fused_batch_norm_training_gradient_of_sum;
}

// What `fuse_batch_norm_training` makes of the chains around a batch norm in training.
//
// fused_batch_norm_training: x [N,C,...], scale, bias [C], residual (of x's type, or "not given") → {y of x's type,
// mean [C], biased variance [C]}: y = activation(batch_norm_training(x, scale, bias) + residual).
//
// fused_batch_norm_training_gradient, of y with the activation "relu": d, x, scale, mean, variance, then bias, or the
// output y where there was a residual (the other "not given") → {dx, dscale, dbias, e}: e = d where the ReLU let its
// input through, else 0, is what the residual gets, and dx, dscale, dbias are batch_norm_training_gradient's of e.
//
// fused_batch_norm_training_gradient_of_sum: an input `more`, of d's type, stands last; d + more is taken for d.
//
// f32 or f64. Throw Error{shape} when a parameter does not match the channels or operands differ, Error{usage} for an
// unknown activation or when not exactly one of bias and y is given.

}  // namespace fovea
