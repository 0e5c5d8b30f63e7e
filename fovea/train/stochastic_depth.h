// Which residual branches live in a training step, and the network for afterwards.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/model/model.h"
#include "fovea/train/recipe.h"
#include "fovea/transform/stochastic_depth.h"

namespace fovea {

// The branches of a residual network with their probabilities of survival, in the order of the graph: with L blocks, l
// from 1, p_l = 1 − l/L (1 − last) (linear), `last` (uniform), or the factor that the network was built with (built).
// Throws Error{usage} for another kind, a probability outside of 0..1, and a network without such branches. Source:
// Huang et al., "Deep networks with stochastic depth", ECCV 2016, equation 4.
std::vector<ResidualBranch> droppable_branches(const Graph& graph, const StochasticDepth& how);

// Σ p_l: 11.0 of 15 blocks, linear with p_L = 0.5.
double expected_live(std::span<const ResidualBranch> branches);

// "alive <block>" for each branch, true with its probability; equal keys, equal draws.
std::map<std::string, Tensor> branch_feeds(std::span<const ResidualBranch> branches, Rng rng);

// The network as it is used after such training: each branch scaled by its probability. Weights stay the same. Throws
// what droppable_branches throws; kinds none and built give the model back.
Model with_survival(Model model, const StochasticDepth& how);

}  // namespace fovea
