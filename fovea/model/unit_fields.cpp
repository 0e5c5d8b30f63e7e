// The pixels R(u) that a unit u sees: R(pixel p) = [p, p + 1), and R(u) = the hull of R(v) over all units v that u is
// computed from. Axes do not mix in the operators that are followed, so each is walked by itself, forward, once.
//   window (convolution, pooling)   position o reads o S − P + k D, 0 ≤ k < K, where that is inside of the input
//   its adjoint                     position i reads the j with i = j S − P + k D
//   adaptive pooling, resizing      as their windows and weights say
//   operators that move positions   (slice, pad, concat, …) are run once on tensors that hold the positions' numbers
#include "fovea/model/unit_fields.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "fovea/graph/op.h"
#include "fovea/model/node_window.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/resize_weights.h"
#include "fovea/ops/softmax.h"

namespace fovea {

namespace {

using Axis = std::vector<Interval>;    // one interval a position
using AxisFields = std::vector<Axis>;  // one a spatial axis; empty: does not depend on the picture

void widen(Interval& to, const Interval& by) {
  if (by.begin >= by.end) return;
  if (to.begin >= to.end) to = by;
  else to = {std::min(to.begin, by.begin), std::max(to.end, by.end)};
}

Interval hull(const Axis& axis) {
  Interval all;
  for (const Interval& i : axis) widen(all, i);
  return all;
}

bool moves_positions(std::string_view op) {
  static constexpr std::string_view kNames[] = {"slice", "pad",  "concat",         "split",          "reverse",
                                                "roll",  "tile", "depth_to_space", "space_to_depth", "gather"};
  return std::find(std::begin(kNames), std::end(kNames), op) != std::end(kNames);
}

}  // namespace

class FieldWalk {
 public:
  FieldWalk(const Graph& graph, UnitFields& fields) : graph_(graph), fields_(fields) {}

  AxisFields of_node(const Node& node) const {
    bool depends = false;
    for (const Value v : node.inputs) depends = depends || (v && !of(v).empty());
    if (!depends) return {};
    const Value x = node.inputs[0];
    if (is_map(node.outputs[0].shape) && x && is_map(graph_.shape(x)) && !of(x).empty())
      if (std::optional<AxisFields> local = local_of(node); local) return *std::move(local);
    if (keeps_positions(node) && !joins_positions(node))
      if (std::optional<AxisFields> joined = pointwise(node); joined) return *std::move(joined);
    if (moves_positions(node.op->name))
      if (std::optional<AxisFields> now = moved(node); now) return *std::move(now);
    return everything(node);
  }

 private:
  size_t axes() const { return fields_.lengths_.size(); }
  bool is_map(const Shape& s) const { return s.size() == axes() + 2; }
  const AxisFields& of(Value v) const { return fields_.nodes_[static_cast<size_t>(v.node)]; }
  AxisFields empty_fields(const Node& node) const {
    AxisFields result(axes());
    const Shape& s = node.outputs[0].shape;
    for (size_t k = 0; k < axes(); ++k) result[k].resize(is_map(s) ? static_cast<size_t>(s[k + 2]) : 1);
    return result;
  }
  // Concatenation along a spatial axis, unlike that of channels.
  static bool joins_positions(const Node& node) {
    return node.op->name == "split" || (node.op == &ops::concat && node.attributes.as<ConcatAttributes>().axis != 1);
  }

  // Operators with windows.
  std::optional<AxisFields> local_of(const Node& node) const {
    const AxisFields& from = of(node.inputs[0]);
    AxisFields to = empty_fields(node);
    const std::string_view op = node.op->name;
    if (const auto window = node_window(graph_, node); !window.empty()) {
      for (size_t k = 0; k < axes(); ++k)
        for (int64_t o = 0; o < window[k].output; ++o)
          for (int64_t e = 0; e < window[k].kernel; ++e)
            if (const int64_t at = window[k].at(o, e); at >= 0 && at < window[k].input) widen(to[k][o], from[k][at]);
      const bool adds = node.op == &ops::fused_conv && node.inputs.size() > 3 && node.inputs[3];
      if (adds) join(to, of(node.inputs[3]));
      return to;
    }
    if (const auto window = adjoint_window(graph_, node); !window.empty()) {
      for (size_t k = 0; k < axes(); ++k)
        for (size_t j = 0; j < from[k].size(); ++j)
          for (int64_t e = 0; e < window[k].kernel; ++e)
            if (const int64_t at = window[k].at(static_cast<int64_t>(j), e); at >= 0 && at < window[k].input)
              widen(to[k][at], from[k][j]);
      return to;
    }
    if (node.op == &ops::adaptive_average_pool) {
      for (size_t k = 0; k < axes(); ++k) {
        const auto in = static_cast<int64_t>(from[k].size()), out = static_cast<int64_t>(to[k].size());
        for (int64_t o = 0; o < out; ++o)
          for (int64_t i = o * in / out; i < ((o + 1) * in + out - 1) / out; ++i) widen(to[k][o], from[k][i]);
      }
      return to;
    }
    if (node.op == &ops::resize) return resized(node, from, std::move(to));
    const Shape &before = graph_.shape(node.inputs[0]), &now = node.outputs[0].shape;
    if (!std::equal(before.begin() + 2, before.end(), now.begin() + 2)) return {};
    if (op == "reduce" || op == "arg_max" || op == "arg_min") return from;  // over channels
    if (node.op == &ops::softmax || node.op == &ops::log_softmax)
      if (normal_axis(node.attributes.as<SoftmaxAttributes>().axis, now.rank(), "softmax") < 2) return from;
    return {};
  }

  std::optional<AxisFields> resized(const Node& node, const AxisFields& from, AxisFields to) const {
    std::vector<std::vector<double>> given(4);
    for (size_t i = 1; i < std::min<size_t>(4, node.inputs.size()); ++i) {
      if (!node.inputs[i]) continue;
      const Tensor* known = graph_.known(node.inputs[i]);
      if (!known) return {};
      given[i] = known->to_doubles();
    }
    const std::vector<int64_t> sizes(given[3].begin(), given[3].end());
    const auto changed =
        resize_axes(graph_.shape(node.inputs[0]), given[1], given[2], sizes, node.attributes.as<ResizeAttributes>());
    for (size_t k = 0; k < axes(); ++k) to[k] = from[k];
    for (const ResizeAxis& axis : changed) {
      if (axis.axis < 2) continue;
      const size_t k = axis.axis - 2;
      to[k].assign(static_cast<size_t>(axis.output), {});
      for (size_t o = 0; o < axis.indices.size(); ++o)
        for (size_t t = 0; t < axis.indices[o].size(); ++t)
          if (t < axis.weights[o].size() && axis.weights[o][t] != 0)
            widen(to[k][o], from[k][static_cast<size_t>(axis.indices[o][t])]);
    }
    return to;
  }

  // Adds what another operand sees; one of a single position is broadcast.
  static void join(AxisFields& to, const AxisFields& by) {
    for (size_t k = 0; k < by.size(); ++k)
      for (size_t p = 0; p < to[k].size(); ++p) widen(to[k][p], by[k][by[k].size() == 1 ? 0 : p]);
  }
  std::optional<AxisFields> pointwise(const Node& node) const {
    AxisFields to = empty_fields(node);
    for (const Value v : node.inputs) {
      if (!v || of(v).empty()) continue;
      for (size_t k = 0; k < axes(); ++k)
        if (of(v)[k].size() != 1 && of(v)[k].size() != to[k].size()) return {};
      join(to, of(v));
    }
    return to;
  }

  // Runs the operator on tensors whose elements name the position that they lie at (0: none), for each axis.
  std::optional<AxisFields> moved(const Node& node) const {
    if (!is_map(node.outputs[0].shape) || node.outputs[0].dtype != DType::f32) return {};
    AxisFields to = empty_fields(node);
    for (size_t k = 0; k < axes(); ++k) {
      std::vector<Tensor> inputs;
      Axis named(1);  // the interval of each name
      for (const Value v : node.inputs) {
        if (!v) {
          inputs.emplace_back();
        } else if (!of(v).empty()) {
          if (!is_map(graph_.shape(v)) || graph_.dtype(v) != DType::f32) return {};
          inputs.push_back(positions_named(graph_.shape(v), k, named.size()));
          named.insert(named.end(), of(v)[k].begin(), of(v)[k].end());
        } else if (graph_.known(v) && graph_.dtype(v) != DType::f32) {
          inputs.push_back(*graph_.known(v));
        } else if (graph_.dtype(v) == DType::f32) {
          inputs.emplace_back(DType::f32, graph_.shape(v));
        } else {
          return {};
        }
      }
      if (named.size() > (size_t{1} << 24)) return {};  // not exact in f32
      take_names(node, inputs, named, k, to[k]);
    }
    return to;
  }
  static Tensor positions_named(const Shape& shape, size_t axis, size_t first) {
    Tensor names(DType::f32, shape);
    const int64_t length = shape[axis + 2], inner = shape.count(static_cast<int64_t>(axis) + 3, shape.rank());
    auto data = names.data<float>();
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<float>(first + static_cast<size_t>(static_cast<int64_t>(i) / inner % length));
    return names;
  }
  static void take_names(const Node& node, const std::vector<Tensor>& inputs, const Axis& named, size_t axis,
                         Axis& to) {
    std::vector<Tensor> outputs;
    for (const Type& type : node.outputs) outputs.emplace_back(type.dtype, type.shape);
    node.op->reference(Call{node, inputs, outputs});
    for (const Tensor& output : outputs) {  // all outputs (of a split) count as one: positions of the first
      if (output.dtype() != DType::f32 || output.shape().rank() != node.outputs[0].shape.rank()) continue;
      const Shape& s = output.shape();
      const int64_t length = s[axis + 2], inner = s.count(static_cast<int64_t>(axis) + 3, s.rank());
      const auto names = output.data<float>();
      for (size_t i = 0; i < names.size(); ++i) {
        const auto position = static_cast<size_t>(static_cast<int64_t>(i) / inner % length);
        if (position < to.size()) widen(to[position], named[static_cast<size_t>(names[i])]);
      }
    }
  }

  AxisFields everything(const Node& node) const {
    AxisFields to = empty_fields(node);
    for (const Value v : node.inputs) {
      if (!v || of(v).empty()) continue;
      for (size_t k = 0; k < axes(); ++k) {
        const Interval all = hull(of(v)[k]);
        for (Interval& i : to[k]) widen(i, all);
      }
    }
    return to;
  }

  const Graph& graph_;
  UnitFields& fields_;
};

UnitFields::UnitFields(const Graph& graph, Value input) : nodes_(static_cast<size_t>(graph.size())) {
  const Shape& shape = graph.shape(input);
  require(shape.rank() >= 3, ErrorKind::shape, "the input {} is {}: it has no spatial axes", graph.node(input).name,
          to_string(shape));
  lengths_.assign(shape.begin() + 2, shape.end());
  for (const int64_t length : lengths_) {
    auto& axis = nodes_[static_cast<size_t>(input.node)].emplace_back();
    for (int64_t p = 0; p < length; ++p) axis.push_back({p, p + 1});
  }
  const FieldWalk walk(graph, *this);
  for (int i = 0; i < graph.size(); ++i)
    if (i != input.node) nodes_[static_cast<size_t>(i)] = walk.of_node(graph.node(i));
}

int64_t UnitFields::positions(int node, size_t axis) const {
  require(node >= 0 && static_cast<size_t>(node) < nodes_.size() && axis < axes(), ErrorKind::usage,
          "there is no node {} with an axis {}", node, axis);
  return depends(node) ? static_cast<int64_t>(nodes_[static_cast<size_t>(node)][axis].size()) : 0;
}

Interval UnitFields::seen(int node, size_t axis, int64_t position) const {
  const int64_t count = positions(node, axis);
  require(count > 0, ErrorKind::usage, "node {} does not depend on the picture", node);
  if (count == 1) position = 0;
  require(position >= 0 && position < count, ErrorKind::usage, "there is no position {} of {}", position, count);
  return nodes_[static_cast<size_t>(node)][axis][static_cast<size_t>(position)];
}

}  // namespace fovea
