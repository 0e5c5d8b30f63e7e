// p_l = 1 − l/L · (1 − p_L); the expected number of live blocks is L − (L + 1)/2 · (1 − p_L).
// Source: Huang et al., "Deep networks with stochastic depth", ECCV 2016, equations 4 and 5, section 3.
#include "fovea/train/stochastic_depth.h"

#include <numeric>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/model/residual_blocks.h"
#include "fovea/model/zoo/resnet_cifar.h"

namespace fovea {

namespace {

double probability(const StochasticDepth& how, size_t block, size_t count) {
  if (how.kind == "uniform") return how.last;
  return 1 - static_cast<double>(block) / static_cast<double>(count) * (1 - how.last);
}

// The block's name: that of its sum, without ".add".
std::string block_name(const Graph& graph, int sum) {
  constexpr std::string_view kEnding = ".add";
  const std::string& name = graph.node(sum).name;
  return name.ends_with(kEnding) ? name.substr(0, name.size() - kEnding.size()) : name;
}

}  // namespace

std::vector<ResidualBranch> droppable_branches(const Graph& graph, const StochasticDepth& how) {
  const std::vector<std::string> kinds = {"linear", "uniform", "built"};
  require(std::find(kinds.begin(), kinds.end(), how.kind) != kinds.end(), ErrorKind::usage,
          "there is no stochastic depth \"{}\"; known: none, linear, uniform, built{}", how.kind,
          did_you_mean(how.kind, kinds));
  require(how.last >= 0 && how.last <= 1, ErrorKind::usage,
          "the last block survives with probability {}, expected 0 to 1", how.last);
  const std::vector<SurvivingBranch> built = surviving_branches(graph);
  std::vector<ResidualBranch> result;
  for (const ResidualBlock& block : residual_blocks(graph)) {
    ResidualBranch b{block_name(graph, block.sum), block.sum, block.operand};
    const Value operand = b.branch = graph.node(block.sum).inputs[block.operand];
    bool scaled = false;
    for (const SurvivingBranch& s : built) {
      if (s.scaled != operand) continue;
      b.block = s.block;
      b.branch = s.branch;
      b.survival = s.probability;
      scaled = true;
    }
    if (how.kind != "built" || scaled) result.push_back(std::move(b));
  }
  require(!result.empty(), ErrorKind::usage, "stochastic depth needs {}",
          how.kind == "built"
              ? "a network that was built with probabilities of survival, as resnet110_stochastic_cifar; "
                "try linear"
              : "a network with residual blocks x + F(x); this one has none");
  for (size_t k = 0; k < result.size(); ++k) {
    if (how.kind != "built") result[k].survival = probability(how, k + 1, result.size());
  }
  return result;
}

double expected_live(std::span<const ResidualBranch> branches) {
  return std::accumulate(branches.begin(), branches.end(), 0.0,
                         [](double sum, const ResidualBranch& b) { return sum + b.survival; });
}

std::map<std::string, Tensor> branch_feeds(std::span<const ResidualBranch> branches, Rng rng) {
  std::map<std::string, Tensor> feeds;
  for (size_t k = 0; k < branches.size(); ++k)
    feeds[alive_name(branches[k].block)] = Tensor::scalar<bool>(rng.uniform_double(k) < branches[k].survival);
  return feeds;
}

Model with_survival(Model model, const StochasticDepth& how) {
  if (how.kind == "none" || how.kind == "built") return model;
  std::vector<Value> wants;
  for (const NamedValue& output : model.graph.outputs) wants.push_back(output.value);
  model.graph = scale_branches(model.graph, wants, droppable_branches(model.graph, how)).graph;
  return model;
}

}  // namespace fovea
