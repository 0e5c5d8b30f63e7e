#pragma once

#include "fovea/graph/op.h"
#include "fovea/ops/conv.h"

namespace fovea {

struct FusedConvAttributes {
  Ints stride, dilation, pad;  // as in ConvAttributes
  int64_t groups = 1;
  std::string auto_pad;
  std::string activation;  // "" or "relu"
  FOVEA_FIELDS(FusedConvAttributes, stride, dilation, pad, groups, auto_pad, activation)
};

namespace ops {
extern const Op fused_conv;
}

// activation(conv(x, weight, bias) + residual); bias and residual may be "not given". What `fuse` makes of convolution
// chains.
Value fused_conv(Graph& graph, Value x, Value weight, Value bias, Value residual, FusedConvAttributes attributes);

}  // namespace fovea
