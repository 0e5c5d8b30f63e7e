#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ChannelAffineAttributes {
  std::string activation;  // "" or "relu"
  FOVEA_FIELDS(ChannelAffineAttributes, activation)
};

namespace ops {
extern const Op channel_affine;
}

// activation(x · scale[c] + shift[c]): x [N,C,...], scale [C], shift [C]. What a batch norm that no convolution can
// absorb becomes.
Value channel_affine(Graph& graph, Value x, Value scale, Value shift, ChannelAffineAttributes attributes = {});

}  // namespace fovea
