#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct DepthToSpaceAttributes {
  int64_t block = 2;
  std::string mode = "DCR";  // order of the channels: DCR (block, channel) or CRD (channel, block), as in pixel shuffle
  FOVEA_FIELDS(DepthToSpaceAttributes, block, mode)
};

namespace ops {
extern const Op depth_to_space;
}

// Blocks of channels become squares of B × B pixels: [N,C,H,W] → [N,C/B²,H·B,W·B]. Throws Error{shape} where the sizes
// do not divide.
// Source: ONNX DepthToSpace-13.
Value depth_to_space(Graph& graph, Value x, DepthToSpaceAttributes attributes);

}  // namespace fovea
