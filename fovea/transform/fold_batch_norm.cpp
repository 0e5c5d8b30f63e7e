#include "fovea/graph/op.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/channel_affine.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

Rewritten fold_batch_norm(const Graph& graph, std::span<const Value> wants, const Weights& weights,
                          const std::set<std::string>& variable) {
  const auto every_use = uses(graph);
  std::set<Value> wanted(wants.begin(), wants.end());
  const auto is_fixed = [&](Value v) {
    if (!v) return true;
    if (graph.known(v)) return true;
    const Node& node = graph.node(v);
    return node.op == &ops::parameter && weights.contains(node.name) && !variable.contains(node.name);
  };
  const auto is_foldable = [&](const Node& node) {
    if (node.op != &ops::batch_norm || node.outputs[0].dtype != DType::f32) return false;
    for (size_t k = 1; k < 5; ++k)
      if (!is_fixed(node.inputs[k])) return false;
    return true;
  };
  // The convolution that a batch norm disappears into, or -1.
  const auto absorbing = [&](const Node& node) {
    const Value x = node.inputs[0];
    const Node& before = graph.node(x);
    const bool fits = before.op == &ops::conv && every_use[static_cast<size_t>(x.node)][0].size() == 1 &&
                      !wanted.contains(x) && is_fixed(before.inputs[1]) &&
                      (before.inputs.size() < 3 || is_fixed(before.inputs[2]));
    return fits ? x.node : -1;
  };
  std::vector<bool> absorbed(static_cast<size_t>(graph.size()), false);
  for (const Node& node : graph.nodes())
    if (is_foldable(node))
      if (const int conv = absorbing(node); conv >= 0) absorbed[static_cast<size_t>(conv)] = true;

  Rewritten result;
  Graph& g = result.graph;
  std::vector<std::vector<Value>> conv_inputs(static_cast<size_t>(graph.size()));
  rewrite(
      graph, wants,
      [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
        const Node& node = graph.node(index);
        if (absorbed[static_cast<size_t>(index)]) {  // built with its batch norm
          conv_inputs[static_cast<size_t>(index)].assign(inputs.begin(), inputs.end());
          return {inputs[0]};
        }
        if (!is_foldable(node)) return {};
        const auto& a = node.attributes.as<BatchNormAttributes>();
        // factor = scale / sqrt(variance + epsilon), offset = shift − mean · factor
        const Value factor = div(g, inputs[1], sqrt(g, add(g, inputs[4], scalar(g, a.epsilon))));
        const Value offset = sub(g, inputs[2], mul(g, inputs[3], factor));
        const int before = absorbing(node);
        if (before < 0) {
          const Value y = g.add(ops::channel_affine, {inputs[0], factor, offset}, ChannelAffineAttributes{}, node.name,
                                node.origin);
          return {y};
        }
        const auto& operands = conv_inputs[static_cast<size_t>(before)];
        Shape column(g.shape(operands[1]).size(), 1);
        column[0] = g.shape(factor)[0];
        const Value weight = mul(g, operands[1], reshape(g, factor, column));
        Value bias = offset;
        if (operands.size() > 2 && operands[2]) bias = add(g, mul(g, operands[2], factor), offset);
        const Node& conv = graph.node(before);
        return {g.add(ops::conv, {operands[0], weight, bias}, conv.attributes, conv.name, conv.origin)};
      },
      result);
  return result;
}

}  // namespace fovea
