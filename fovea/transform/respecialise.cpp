#include "fovea/transform/respecialise.h"

#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

// A transposed convolution grows by its stride for each position that its input has more.
std::vector<Value> transposed_conv(const Graph& from, const Node& node, Graph& to, std::span<const Value> inputs) {
  auto a = node.attributes.as<ConvAdjointAttributes>();
  const Shape &before = from.shape(node.inputs[0]), &now = to.shape(inputs[0]);
  for (size_t k = 0; k < a.sizes.size(); ++k) a.sizes[k] += (now[k + 2] - before[k + 2]) * axis_value(a.stride, k, 1);
  return {to.add(ops::conv_input_gradient, {inputs[0], inputs[1]}, a, node.name, node.origin)};
}

// An unpooling gives what was pooled where the switches tell, else the same multiple of its input as before.
std::vector<Value> unpooling(const Graph& from, const Node& node, Graph& to, std::span<const Value> inputs) {
  auto a = node.attributes.as<UnpoolAttributes>();
  const Shape &before = from.shape(node.inputs[0]), &now = to.shape(inputs[0]);
  const Node& source = to.node(inputs[1]);
  for (size_t k = 0; k < a.sizes.size(); ++k)
    a.sizes[k] = source.op == &ops::max_pool ? to.shape(source.inputs[0])[k + 2]
                                             : a.sizes[k] * now[k + 2] / std::max<int64_t>(1, before[k + 2]);
  return {to.add(ops::unpool, {inputs[0], inputs[1]}, a, node.name, node.origin)};
}

}  // namespace

Graph respecialise(const Graph& graph, const std::map<std::string, Type>& inputs,
                   const std::map<std::string, Tensor>& bound) {
  for (const auto& [name, type] : inputs) {
    const int node = graph.find(name);
    require(node >= 0 && graph.node(node).op == &ops::input, ErrorKind::usage, "the network has no input named \"{}\"",
            name);
  }
  Graph result;
  const Mapping mapping = copy(graph, result, [&](int index, std::span<const Value> now) -> std::vector<Value> {
    const Node& node = graph.node(index);
    const bool resized = !now.empty() && now[0] && result.shape(now[0]) != graph.shape(node.inputs[0]);
    if (resized && node.op == &ops::conv_input_gradient) return transposed_conv(graph, node, result, now);
    if (resized && node.op == &ops::unpool) return unpooling(graph, node, result, now);
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
