// What later code has to know of the residual networks for CIFAR.
#pragma once

#include <string>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// One residual branch that may be dropped in training (stochastic depth).
struct SurvivingBranch {
  std::string block;       // "layer1.0"
  Value branch;            // the branch's output F(x), before it is scaled
  Value scaled;            // p · F(x), the node "layer1.0.survival"
  double probability = 1;  // p: that the branch survives a training step
};

// The branches of a stochastic-depth network, in the order of their blocks; none for other networks. They are told by
// their nodes' names: "<block>.survival" multiplies by a number known while building.
std::vector<SurvivingBranch> surviving_branches(const Graph& graph);

}  // namespace fovea
