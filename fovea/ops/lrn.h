#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct LrnAttributes {
  int64_t size = 5;  // channels in the window
  double alpha = 1e-4, beta = 0.75, bias = 1;
  FOVEA_FIELDS(LrnAttributes, size, alpha, beta, bias)
};

namespace ops {
extern const Op lrn, lrn_gradient;
}

// Local response normalisation across channels: x [N,C,...] → x / (bias + alpha/size · Σ_window x²)^beta, f32 or f64.
// alpha is divided by size, as in ONNX, Caffe and PyTorch; Krizhevsky's paper does not (multiply its alpha by size).
// Throws Error{shape} for a rank below 2, Error{usage} for a size below 1. Source: ONNX LRN-13.
Value lrn(Graph& graph, Value x, LrnAttributes attributes = {});
// d and x of one shape → the gradient w.r.t. x.
Value lrn_gradient(Graph& graph, Value d, Value x, LrnAttributes attributes);

}  // namespace fovea
