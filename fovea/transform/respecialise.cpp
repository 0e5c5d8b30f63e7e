#include "fovea/transform/respecialise.h"

#include "fovea/ops/input.h"

namespace fovea {

Graph respecialise(const Graph& graph, const std::map<std::string, Type>& inputs,
                   const std::map<std::string, Tensor>& bound) {
  for (const auto& [name, type] : inputs) {
    const int node = graph.find(name);
    require(node >= 0 && graph.node(node).op == &ops::input, ErrorKind::usage, "the network has no input named \"{}\"",
            name);
  }
  Graph result;
  const Mapping mapping = copy(graph, result, [&](int index, std::span<const Value>) -> std::vector<Value> {
    const Node& node = graph.node(index);
    if (node.op != &ops::input) return {};
    if (const auto value = bound.find(node.name); value != bound.end())
      return {bound_input(result, node.name, value->second)};
    if (const auto type = inputs.find(node.name); type != inputs.end()) return {input(result, node.name, type->second)};
    return {};
  });
  for (const NamedValue& output : graph.outputs) result.outputs.push_back({output.name, mapping(output.value)});
  return result;
}

}  // namespace fovea
