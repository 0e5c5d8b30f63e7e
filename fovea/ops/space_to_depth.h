#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SpaceToDepthAttributes {
  int64_t block = 2;
  std::string mode = "DCR";  // order of the channels: DCR (block, channel) or CRD (channel, block), as in pixel shuffle
  FOVEA_FIELDS(SpaceToDepthAttributes, block, mode)
};

namespace ops {
extern const Op space_to_depth;
}

// Squares of B × B pixels become blocks of channels: [N,C,H,W] → [N,C·B²,H/B,W/B]. Throws Error{shape} where the sizes
// do not divide.
// Source: ONNX SpaceToDepth-13, which has mode DCR only.
Value space_to_depth(Graph& graph, Value x, SpaceToDepthAttributes attributes);

}  // namespace fovea
