// training    H = relu(b F(x) + shortcut(x)),  b ∈ {0, 1}
// inference   H = relu(p F(x) + shortcut(x))
// Source: Huang et al., "Deep networks with stochastic depth", ECCV 2016, equations 2 and 5.
#include "fovea/transform/stochastic_depth.h"

#include <functional>
#include <map>

#include "fovea/base/error.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

// The graph with each branch's operand of its sum replaced by change(branch, F(x)); factors that were there are gone.
Rewritten with_branches(const Graph& graph, std::span<const Value> wants, std::span<const ResidualBranch> branches,
                        const std::function<Value(Graph&, size_t, Value)>& change, Rewritten result) {
  std::map<int, size_t> sums;     // the sum → its branch
  std::map<int, Value> unscaled;  // a factor's node → what it scales
  for (size_t k = 0; k < branches.size(); ++k) {
    const ResidualBranch& b = branches[k];
    require(b.sum >= 0 && b.sum < graph.size() && b.operand < graph.node(b.sum).inputs.size(), ErrorKind::usage,
            "block {}: there is no node {} with an input {}", b.block, b.sum, b.operand);
    const Value operand = graph.node(b.sum).inputs[b.operand];
    sums[b.sum] = k;
    if (operand == b.branch) continue;
    const Node& factor = graph.node(operand);
    require(!factor.inputs.empty() && factor.inputs[0] == b.branch, ErrorKind::usage,
            "block {}: \"{}\" is not what \"{}\" adds", b.block, graph.node(b.branch).name, graph.node(b.sum).name);
    unscaled[operand.node] = b.branch;
  }
  const Replace replace = [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    if (unscaled.contains(index)) return {inputs[0]};
    const auto found = sums.find(index);
    if (found == sums.end()) return {};
    const Node& node = graph.node(index);
    std::vector<Value> operands(inputs.begin(), inputs.end());
    Value& operand = operands[branches[found->second].operand];
    operand = change(result.graph, found->second, operand);
    return {result.graph.add(*node.op, operands, node.attributes, node.name, node.origin)};
  };
  rewrite(graph, wants, replace, result);
  return result;
}

}  // namespace

std::string alive_name(const std::string& block) { return "alive " + block; }

Rewritten gate_branches(const Graph& graph, std::span<const Value> wants, std::span<const ResidualBranch> branches) {
  Rewritten result;
  std::vector<Value> open;  // in front of all, so that anything in a block can ask
  for (const ResidualBranch& b : branches)
    open.push_back(input(result.graph, alive_name(b.block), {DType::boolean, {}}));
  const auto change = [&](Graph& g, size_t k, Value f) { return gate(g, f, open[k]); };
  return with_branches(graph, wants, branches, change, std::move(result));
}

Rewritten scale_branches(const Graph& graph, std::span<const Value> wants, std::span<const ResidualBranch> branches) {
  const auto change = [&](Graph& g, size_t k, Value f) {
    if (branches[k].survival == 1) return f;
    const Value y = scale(g, f, branches[k].survival);
    g.rename(y.node, branches[k].block + ".survival");
    return y;
  };
  return with_branches(graph, wants, branches, change, {});
}

}  // namespace fovea
