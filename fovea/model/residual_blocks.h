// Where a graph has residual blocks.
#pragma once

#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// A block x + F(x) of a residual network.
struct ResidualBlock {
  int sum = -1;        // the node that adds
  Value scale;         // the parameter that scales all of F: of its last batch norm, else its last convolution's weight
  bool norm = false;   // whether that is a batch norm's
  size_t operand = 0;  // which input of the sum F(x) is
};
// In the order of the graph. An addition is one when both terms come from one value, one of them (the shortcut) by
// nothing but at most one convolution, batch norms, poolings, padding, cutting and constant factors, and the other by
// more layers with weights.
std::vector<ResidualBlock> residual_blocks(const Graph& graph);

}  // namespace fovea
