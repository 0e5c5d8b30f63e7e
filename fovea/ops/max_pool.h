#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct MaxPoolAttributes {
  Ints kernel, stride, dilation, pad;  // as in ConvAttributes; an empty stride means 1
  std::string auto_pad;
  bool ceil = false;
  FOVEA_FIELDS(MaxPoolAttributes, kernel, stride, dilation, pad, auto_pad, ceil)
};

struct UnpoolAttributes {
  Ints sizes;  // spatial sizes of the result
  FOVEA_FIELDS(UnpoolAttributes, sizes)
};

namespace ops {
extern const Op max_pool, unpool;
}

// x [N,C,spatial] → {y [N,C,spatial], switches i32 of y's shape}: where in the row-major H·W plane of its channel each
// maximum was. Returns y; the switches are {y.node, 1}.
Value max_pool(Graph& graph, Value x, MaxPoolAttributes attributes);
// Adds d [N,C,spatial] to the places that the switches name: [N,C,sizes], zero elsewhere. The gradient of max pooling,
// and Zeiler & Fergus's unpooling.
Value unpool(Graph& graph, Value d, Value switches, Ints sizes);

}  // namespace fovea
