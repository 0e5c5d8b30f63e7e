// From the last node to the first: a node's gate is the one that all its users name, a gate naming itself for what it
// lets through. That is dominance in a graph without cycles, for one kind of dominator.
#include "fovea/transform/gated_nodes.h"

#include <optional>

#include "fovea/ops/gate.h"

namespace fovea {

std::vector<Value> gates_behind(const Graph& graph, std::span<const Value> wants) {
  const std::vector<bool> needed = reachable(graph, wants);
  // Nothing: no user yet. A Value not given: users disagree, or one of them is behind no gate.
  std::vector<std::optional<Value>> said(static_cast<size_t>(graph.size()));
  const auto say = [&](int node, Value gate) {
    auto& before = said[static_cast<size_t>(node)];
    before = !before || *before == gate ? gate : Value{};
  };
  for (const Value want : wants) say(want.node, {});
  for (int i = graph.size(); i-- > 0;) {
    if (!needed[static_cast<size_t>(i)]) continue;
    const Node& node = graph.node(i);
    const Value own = said[static_cast<size_t>(i)].value_or(Value{});
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (node.inputs[k]) say(node.inputs[k].node, node.op == &ops::gate && k == 0 ? node.inputs[1] : own);
  }
  std::vector<Value> result;
  for (const auto& gate : said) result.push_back(gate.value_or(Value{}));
  return result;
}

}  // namespace fovea
