#include "fovea/formats/plain_graph.h"

#include "fovea/graph/op.h"

namespace fovea {

Graph plain_graph(const Graph& graph, const std::function<bool(std::string_view op)>& has_word) {
  Graph plain;
  const Mapping mapping = copy(graph, plain, [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const Node& node = graph.node(index);
    if (!node.op->decompose || has_word(node.op->name)) return {};
    return node.op->decompose(plain, node, inputs);
  });
  for (const NamedValue& output : graph.outputs) plain.outputs.push_back({output.name, mapping(output.value)});
  return plain;
}

}  // namespace fovea
