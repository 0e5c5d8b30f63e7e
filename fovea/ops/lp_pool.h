#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct LpPoolSettings {
  Ints kernel, stride, dilation, pad;  // as in ConvAttributes; an empty stride means 1
  std::string auto_pad;
  bool ceil = false;
  double p = 2;
};

// x [N,C,spatial] → (Σ_window |x|^p)^(1/p) [N,C,spatial'], p ≥ 1; padding counts as 0. Composite of average_pool.
// Its gradient at a window of zeros is NaN for p > 1 (as in PyTorch): the root has none there.
// Throws Error{usage} for p below 1, and as average_pool. Source: ONNX LpPool-18.
Value lp_pool(Graph& graph, Value x, LpPoolSettings settings);

}  // namespace fovea
