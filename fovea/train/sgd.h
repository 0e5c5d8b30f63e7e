// Stochastic gradient descent with momentum, as nodes of the graph: its state never leaves the program.
#pragma once

#include <span>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/graph/graph.h"

namespace fovea {

struct SgdSettings {
  double momentum = 0.9;
  double weight_decay = 0;  // added to the gradient: decay · w
};

// For each parameter w with gradient g, appends v' = momentum · v + g + decay · w and w' = w − rate · v', and returns
// what is to be carried: w' → w, v' → v. `rate` is a scalar (an input, so that a schedule can change it). Velocities
// are inputs named "velocity of <w>", zero at the beginning. Source: Sutskever et al., "On the importance of
// initialization and momentum", ICML 2013, in PyTorch's form.
std::vector<Carry> sgd(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients, Value rate,
                       const SgdSettings& settings = {});

}  // namespace fovea
