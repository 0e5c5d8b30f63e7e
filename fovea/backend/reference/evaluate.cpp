#include "fovea/backend/reference/evaluate.h"

#include "fovea/graph/op.h"

namespace fovea {

std::vector<Tensor> evaluate(const Graph& graph, const std::map<std::string, Tensor>& feeds,
                             std::span<const Value> wants) {
  const std::vector<bool> needed = reachable(graph, wants);
  std::vector<std::vector<Tensor>> values(static_cast<size_t>(graph.size()));
  for (int i = 0; i < graph.size(); ++i) {
    if (!needed[static_cast<size_t>(i)]) continue;
    const Node& node = graph.node(i);
    auto& outputs = values[static_cast<size_t>(i)];
    if (const Tensor* known = graph.known({i, 0}); known && node.outputs.size() == 1) {
      outputs = {*known};
      continue;
    }
    if (!node.op->reference) {
      const auto fed = feeds.find(node.name);
      require(fed != feeds.end(), ErrorKind::usage, "{} \"{}\" is not fed", node.op->name, node.name);
      require(fed->second.dtype() == node.outputs[0].dtype && fed->second.shape() == node.outputs[0].shape,
              ErrorKind::usage, "{} \"{}\" is {}[{}], expected {}", node.op->name, node.name,
              to_string(fed->second.dtype()), to_string(fed->second.shape()), to_string(node.outputs[0]));
      outputs = {fed->second};
      continue;
    }
    std::vector<Tensor> inputs;
    for (const Value input : node.inputs)
      inputs.push_back(input ? values[static_cast<size_t>(input.node)][static_cast<size_t>(input.output)] : Tensor());
    for (const Type& type : node.outputs) {
      outputs.emplace_back(type.dtype, type.shape);
      std::memset(outputs.back().raw(), 0xFF, outputs.back().bytes());  // NaN: what is not written shows
    }
    node.op->reference({node, inputs, outputs});
  }
  std::vector<Tensor> result;
  for (const Value want : wants)
    result.push_back(values[static_cast<size_t>(want.node)][static_cast<size_t>(want.output)]);
  return result;
}

}  // namespace fovea
