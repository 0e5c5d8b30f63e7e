#include "fovea/model/widened.h"

#include <algorithm>

#include "fovea/graph/op.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// By node: whether it is a 16-bit weight with no other user than conversions to f32.
std::vector<bool> only_widened(const Graph& graph) {
  const auto users = uses(graph);
  std::vector<bool> result(static_cast<size_t>(graph.size()), false);
  for (const Value p : graph.parameters()) {
    const DType type = graph.dtype(p);
    const std::vector<Use>& used = users[static_cast<size_t>(p.node)][0];
    result[static_cast<size_t>(p.node)] =
        (type == DType::f16 || type == DType::bf16) && !used.empty() &&
        std::all_of(used.begin(), used.end(), [&](const Use& use) {
          return graph.node(use.node).op == &ops::cast && graph.dtype({use.node, 0}) == DType::f32;
        });
  }
  for (const NamedValue& output : graph.outputs) result[static_cast<size_t>(output.value.node)] = false;
  return result;
}

}  // namespace

Model widened(Model model) {
  const std::vector<bool> chosen = only_widened(model.graph);
  if (std::find(chosen.begin(), chosen.end(), true) == chosen.end()) return model;
  Graph graph;
  const Mapping map = copy(model.graph, graph, [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const Node& node = model.graph.node(index);
    if (chosen[static_cast<size_t>(index)]) return {parameter(graph, node.name, {DType::f32, node.outputs[0].shape})};
    if (node.op == &ops::cast && chosen[static_cast<size_t>(node.inputs[0].node)]) return {inputs[0]};
    return {};
  });
  for (const NamedValue& output : model.graph.outputs) graph.outputs.push_back({output.name, map(output.value)});
  for (int i = 0; i < model.graph.size(); ++i) {
    if (!chosen[static_cast<size_t>(i)]) continue;
    if (const auto found = model.weights.find(model.graph.node(i).name); found != model.weights.end())
      found->second = found->second.cast(DType::f32);
  }
  model.graph = std::move(graph);
  return model;
}

}  // namespace fovea
