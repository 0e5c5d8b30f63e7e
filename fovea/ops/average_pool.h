#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct AveragePoolAttributes {
  Ints kernel, stride, dilation, pad;  // as in ConvAttributes; an empty stride means 1
  std::string auto_pad;
  bool ceil = false;
  bool include_pad = false;  // whether padding counts in the divisor
  bool sum = false;          // the sum instead of the average
  FOVEA_FIELDS(AveragePoolAttributes, kernel, stride, dilation, pad, auto_pad, ceil, include_pad, sum)
};

// The same, and the spatial sizes of the pooled input.
struct AveragePoolAdjointAttributes {
  Ints kernel, stride, dilation, pad;
  std::string auto_pad;
  bool ceil = false, include_pad = false, sum = false;
  Ints sizes;
  FOVEA_FIELDS(AveragePoolAdjointAttributes, kernel, stride, dilation, pad, auto_pad, ceil, include_pad, sum, sizes)
};

namespace ops {
extern const Op average_pool, average_pool_gradient;
}

// x [N,C,spatial] → the average (or sum) of each window [N,C,spatial']. f32 or f64.
// Throws Error{shape} for a window that does not fit or does not match the rank. Source: ONNX AveragePool-19.
Value average_pool(Graph& graph, Value x, AveragePoolAttributes attributes);
// Its adjoint: spreads d [N,C,spatial'] evenly over the windows: [N,C,sizes].
Value average_pool_gradient(Graph& graph, Value d, AveragePoolAdjointAttributes attributes);

}  // namespace fovea
