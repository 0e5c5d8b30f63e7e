// Residual networks some of whose branches are left out in training, and scaled afterwards.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fovea/transform/rewrite.h"

namespace fovea {

// The branch F(x) of a residual block x + F(x).
struct ResidualBranch {
  std::string block;    // what the gate is called after
  int sum = -1;         // the node that adds
  size_t operand = 0;   // which of its inputs the branch is
  Value branch;         // F(x): that input, or what stands before the factor that it is scaled by already
  double survival = 1;  // p, 0..1: the probability that it survives a training step
};

// "alive <block>".
std::string alive_name(const std::string& block);

// The training form: b · F(x) + x for a boolean input "alive <block>" each. Branches are not scaled; one that is
// dropped is not computed, nor its gradients (which are zero: momentum and decay go on, as in the authors' code).
// Throws Error{usage} when a branch is not an input of its sum. Source: Huang, Sun, Liu, Sedra & Weinberger, "Deep
// networks with stochastic depth", ECCV 2016, equation 2.
Rewritten gate_branches(const Graph& graph, std::span<const Value> wants, std::span<const ResidualBranch> branches);

// The form for inference: p · F(x) + x, the product being the node "<block>.survival"; nothing is scaled where p = 1.
// The same source, equation 5.
Rewritten scale_branches(const Graph& graph, std::span<const Value> wants, std::span<const ResidualBranch> branches);

}  // namespace fovea
