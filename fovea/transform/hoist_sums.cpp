// Gradients are built first and summed over the ranks last, as training_step writes it; run in that order, nothing
// would go on during the sums. An all_reduce whose last input is node i is moved to just behind i.
#include <algorithm>

#include "fovea/ops/all_reduce.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

Rewritten hoist_sums(const Graph& graph) {
  std::vector<std::vector<int>> behind(static_cast<size_t>(graph.size()));  // the sums that follow a node
  std::vector<bool> moved(static_cast<size_t>(graph.size()), false);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op != &ops::all_reduce) continue;
    int last = -1;
    for (const Value input : node.inputs) last = std::max(last, input.node);
    behind[static_cast<size_t>(last)].push_back(i);
    moved[static_cast<size_t>(i)] = true;
  }
  std::vector<int> order, stack;
  for (int i = 0; i < graph.size(); ++i) {
    if (moved[static_cast<size_t>(i)]) continue;
    stack.push_back(i);
    while (!stack.empty()) {  // sums of sums follow each other
      const int next = stack.back();
      stack.pop_back();
      order.push_back(next);
      const std::vector<int>& sums = behind[static_cast<size_t>(next)];
      stack.insert(stack.end(), sums.rbegin(), sums.rend());
    }
  }
  Rewritten result;
  result.map.map_.resize(static_cast<size_t>(graph.size()));
  for (const int i : order) {
    const Node& node = graph.node(i);
    std::vector<Value> inputs;
    for (const Value input : node.inputs) inputs.push_back(result.map(input));
    const Value copied = result.graph.add(*node.op, std::move(inputs), node.attributes, node.name, node.origin);
    for (size_t k = 0; k < node.outputs.size(); ++k)
      result.map.map_[static_cast<size_t>(i)].push_back({copied.node, static_cast<int>(k)});
  }
  for (const NamedValue& output : graph.outputs)
    result.graph.outputs.push_back({output.name, result.map(output.value)});
  return result;
}

}  // namespace fovea
