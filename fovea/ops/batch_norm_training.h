#pragma once

#include "fovea/graph/op.h"
#include "fovea/ops/batch_norm.h"

namespace fovea {

namespace ops {
extern const Op batch_norm_training, batch_norm_training_gradient;
}

// x [N,C,...], scale, bias [C] → {y of x's shape, mean [C], biased variance [C]}: normalised by the batch's own
// statistics. f32 or f64. Returns y; the others are {y.node, 1} and {y.node, 2}. Running statistics are updated by
// graph nodes outside: running ← (1 − m) · running + m · batch. ONNX and Caffe-like tools put the biased variance
// there, PyTorch the unbiased one (variance · M / (M − 1), M = N · positions); the caller chooses. Throws Error{shape}
// when a parameter does not match the channels or the batch is empty. Source: ONNX BatchNormalization-15 with
// training_mode 1; Ioffe & Szegedy 2015, algorithm 1.
Value batch_norm_training(Graph& graph, Value x, Value scale, Value bias, BatchNormAttributes attributes = {});

// The gradient of y alone: d and x [N,C,...], scale, mean, variance [C] (as batch_norm_training gave them) →
// {dx, dscale, dbias}; the first is returned.
Value batch_norm_training_gradient(Graph& graph, Value d, Value x, Value scale, Value mean, Value variance,
                                   BatchNormAttributes attributes);

}  // namespace fovea
