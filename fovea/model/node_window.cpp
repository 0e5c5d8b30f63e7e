#include "fovea/model/node_window.h"

#include <algorithm>
#include <string_view>

#include "fovea/graph/op.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/locally_connected.h"
#include "fovea/ops/max_pool.h"

namespace fovea {

namespace {

// Sizes of the axes from `first` on.
std::vector<int64_t> sizes_from(const Graph& graph, Value v, std::ptrdiff_t first) {
  const Shape& s = graph.shape(v);
  return {s.begin() + std::min<std::ptrdiff_t>(first, s.rank()), s.end()};
}

template <class A>
std::vector<WindowAxis> axes_of(const Graph& graph, const Node& node, const Ints& kernel) {
  const A& a = node.attributes.as<A>();
  std::string_view auto_pad;
  bool ceil = false;
  if constexpr (requires { a.auto_pad; }) auto_pad = a.auto_pad;
  if constexpr (requires { a.ceil; }) ceil = a.ceil;
  return window_axes(sizes_from(graph, node.inputs[0], 2), {kernel, a.stride, a.dilation, a.pad, auto_pad, ceil});
}

}  // namespace

std::vector<WindowAxis> node_window(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || !node.inputs[0] || graph.shape(node.inputs[0]).rank() < 3) return {};
  const auto kernel = [&](std::ptrdiff_t first) { return Ints(sizes_from(graph, node.inputs[1], first)); };
  if (node.op == &ops::conv) return axes_of<ConvAttributes>(graph, node, kernel(2));
  if (node.op == &ops::fused_conv) return axes_of<FusedConvAttributes>(graph, node, kernel(2));
  if (node.op == &ops::locally_connected) return axes_of<LocallyConnectedAttributes>(graph, node, kernel(3));
  if (node.op == &ops::max_pool)
    return axes_of<MaxPoolAttributes>(graph, node, node.attributes.as<MaxPoolAttributes>().kernel);
  if (node.op == &ops::average_pool)
    return axes_of<AveragePoolAttributes>(graph, node, node.attributes.as<AveragePoolAttributes>().kernel);
  return {};
}

std::vector<WindowAxis> adjoint_window(const Graph& graph, const Node& node) {
  if (node.op != &ops::conv_input_gradient) return {};
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Ints kernel(sizes_from(graph, node.inputs[1], 2));
  return window_axes({a.sizes.begin(), a.sizes.end()}, {kernel, a.stride, a.dilation, a.pad, "", false});
}

bool keeps_positions(const Node& node) {
  static constexpr std::string_view kNames[] = {"add",
                                                "sub",
                                                "mul",
                                                "div",
                                                "pow",
                                                "min",
                                                "max",
                                                "mean",
                                                "where",
                                                "batch_norm",
                                                "channel_affine",
                                                "lrn",
                                                "prelu",
                                                "clip",
                                                "dropout",
                                                "gate",
                                                "concat",
                                                "split",
                                                "expand",
                                                "sum_to",
                                                "cast",
                                                "identity",
                                                "equal",
                                                "greater",
                                                "less",
                                                "mod"};
  return node.op->elementwise || std::find(std::begin(kNames), std::end(kNames), node.op->name) != std::end(kNames);
}

}  // namespace fovea
