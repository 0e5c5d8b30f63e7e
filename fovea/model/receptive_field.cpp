#include "fovea/model/receptive_field.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "fovea/model/node_window.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/slice.h"

// A window of K elements, D apart, moving by S and beginning P before the first position, on a value whose units have
// the field (size r, stride s, offset o): size r + (K-1) D s, stride s S, offset o - P s. Source: Araujo, Norris, Sim,
// "Computing receptive fields of convolutional neural networks", Distill 2019, equations 2 to 5, with the offset of the
// field's first pixel. Of slices, position i reads start + i step; of padded values, i less what was added before.

namespace fovea {

namespace {

using Fields = std::vector<ReceptiveField>;

ReceptiveField everything(int64_t length) { return {static_cast<double>(length), 0, 0, true}; }

// The smallest field that holds both, for units 0 to count - 1.
ReceptiveField join(const ReceptiveField& a, const ReceptiveField& b, int64_t count) {
  if (a.whole) return a;
  if (b.whole) return b;
  ReceptiveField r;
  r.stride = std::max(a.stride, b.stride);
  const double last = static_cast<double>(std::max<int64_t>(count, 1) - 1);
  const double begin_a = std::min(a.offset, a.offset + last * (a.stride - r.stride));
  const double begin_b = std::min(b.offset, b.offset + last * (b.stride - r.stride));
  const double end_a = std::max(a.offset + a.size, a.offset + a.size + last * (a.stride - r.stride));
  const double end_b = std::max(b.offset + b.size, b.offset + b.size + last * (b.stride - r.stride));
  r.offset = std::min(begin_a, begin_b);
  r.size = std::max(end_a, end_b) - r.offset;
  return r;
}

ReceptiveField through(const ReceptiveField& f, const WindowAxis& a) {
  if (f.whole) return f;
  return {f.size + static_cast<double>((a.kernel - 1) * a.dilation) * f.stride,
          f.stride * static_cast<double>(a.stride), f.offset - static_cast<double>(a.pad_begin) * f.stride};
}

// The adjoint of a window: position i receives from the units j with i = j S - P + k D, 0 <= k < K.
ReceptiveField through_adjoint(const ReceptiveField& f, const WindowAxis& a) {
  if (f.whole) return f;
  const double reach = static_cast<double>((a.kernel - 1) * a.dilation),
               step = f.stride / static_cast<double>(a.stride);
  return {f.size + reach * step, step, f.offset + (static_cast<double>(a.pad_begin) - reach) * step};
}

// Units of the result sit at the input's position (i + 0.5) / scale - 0.5 and look `reach` positions to each side.
ReceptiveField through_resize(const ReceptiveField& f, int64_t from, int64_t to, double reach) {
  if (f.whole || from == to) return f;
  const double ratio = static_cast<double>(from) / static_cast<double>(to), wide = reach * std::max(1.0, ratio);
  return {f.size + 2 * wide * f.stride, f.stride * ratio, f.offset + (0.5 * ratio - 0.5 - wide) * f.stride};
}

// All units at once: what a fully connected layer after this value sees.
ReceptiveField collapsed(const ReceptiveField& f, int64_t count, int64_t length) {
  if (f.whole || count > 1) return everything(length);
  return f;
}

struct Walk {
  const Graph& graph;
  std::vector<int64_t> lengths;  // the input's spatial sizes
  std::vector<Fields> fields;

  std::vector<int64_t> spatial(Value v) const {
    const Shape& s = graph.shape(v);
    std::vector<int64_t> sizes(lengths.size(), 1);
    if (s.size() == lengths.size() + 2) sizes.assign(s.begin() + 2, s.end());
    return sizes;
  }
  bool is_map(Value v) const { return graph.shape(v).size() == lengths.size() + 2; }
  const Fields& of(Value v) const { return fields[static_cast<size_t>(v.node)]; }

  Fields joined(const Node& node) const {
    Fields result;
    const std::vector<int64_t> counts = spatial_of_output(node);
    for (const Value v : node.inputs) {
      if (!v || of(v).empty()) continue;
      if (result.empty()) result = of(v);
      else
        for (size_t k = 0; k < result.size(); ++k) result[k] = join(result[k], of(v)[k], counts[k]);
    }
    return result;
  }
  std::vector<int64_t> spatial_of_output(const Node& node) const {
    std::vector<int64_t> sizes(lengths.size(), 1);
    const Shape& s = node.outputs[0].shape;
    if (s.size() == lengths.size() + 2) sizes.assign(s.begin() + 2, s.end());
    return sizes;
  }
  Fields all_of(const Node& node) const {
    Fields result;
    for (const Value v : node.inputs) {
      if (!v || of(v).empty()) continue;
      const auto counts = spatial(v);
      const bool map = is_map(v);
      for (size_t k = 0; k < lengths.size(); ++k) {
        const ReceptiveField f = collapsed(of(v)[k], map ? counts[k] : 1, lengths[k]);
        if (result.size() <= k) result.push_back(f);
        else result[k] = join(result[k], f, 1);
      }
    }
    return result;
  }
};

// The geometry of a sliding window, or nothing when the node is none. Windows that are not all alike: the largest
// stands for all.
std::vector<WindowAxis> window_of(const Walk& walk, const Node& node) {
  const Value x = node.inputs.empty() ? Value{} : node.inputs[0];
  if (!x || !walk.is_map(x)) return {};
  if (node.op != &ops::adaptive_average_pool) return node_window(walk.graph, node);
  std::vector<WindowAxis> axes;
  const Shape& y = node.outputs[0].shape;
  for (size_t k = 0; k < walk.lengths.size(); ++k) {
    const int64_t in = walk.spatial(x)[k], out = y[k + 2], stride = std::max<int64_t>(1, in / out);
    axes.push_back({.input = in, .kernel = in % out == 0 ? stride : stride + 1, .stride = stride, .output = out});
  }
  return axes;
}

// The numbers of an input that is known when the graph is built, none where it is missing; nothing where it is not
// known.
std::optional<std::vector<int64_t>> known_numbers(const Graph& graph, const Node& node, size_t input) {
  if (input >= node.inputs.size() || !node.inputs[input]) return std::vector<int64_t>();
  const Tensor* known = graph.known(node.inputs[input]);
  if (known == nullptr) return {};
  const std::vector<double> values = known->to_doubles();
  return std::vector<int64_t>(values.begin(), values.end());
}

// Slices that go forwards, and padding but by the opposite edge: as everywhere here, positions beyond the border count
// as there.
std::optional<Fields> shifted(const Walk& walk, const Node& node) {
  const bool sliced = node.op == &ops::slice;
  if (!sliced && (node.op != &ops::pad || node.attributes.as<PadAttributes>().mode == "wrap")) return {};
  if (!walk.is_map(node.inputs[0]) || walk.of(node.inputs[0]).empty()) return {};
  const auto numbers = known_numbers(walk.graph, node, 1), axes = known_numbers(walk.graph, node, 3),
             steps = sliced ? known_numbers(walk.graph, node, 4) : std::vector<int64_t>();
  if (!numbers || !axes || !steps) return {};
  const Shape& shape = walk.graph.shape(node.inputs[0]);
  Fields result = walk.of(node.inputs[0]);
  for (size_t i = 0; i < (sliced ? numbers->size() : numbers->size() / 2); ++i) {
    const int64_t named = axes->empty() ? static_cast<int64_t>(i) : (*axes)[i],
                  axis = named < 0 ? named + static_cast<int64_t>(shape.rank()) : named;
    if (axis < 2 || result[static_cast<size_t>(axis) - 2].whole) continue;
    ReceptiveField& f = result[static_cast<size_t>(axis) - 2];
    const int64_t size = shape[static_cast<size_t>(axis)], number = (*numbers)[i];
    const int64_t step = steps->empty() ? 1 : (*steps)[i];
    if (step < 1) return {};
    f.offset += f.stride * static_cast<double>(
                               sliced ? std::clamp<int64_t>(number < 0 ? number + size : number, 0, size) : -number);
    f.stride *= static_cast<double>(step);
  }
  return result;
}

// Operators that keep or move positions, told by their result: same spatial sizes and not mixing them, or resized.
Fields fields_of(const Walk& walk, const Node& node) {
  const Value x = node.inputs.empty() ? Value{} : node.inputs[0];
  if (const auto axes = window_of(walk, node); !axes.empty() && !walk.of(x).empty()) {
    Fields result;
    for (size_t k = 0; k < axes.size(); ++k) result.push_back(through(walk.of(x)[k], axes[k]));
    if (node.op == &ops::fused_conv && node.inputs.size() > 3 && node.inputs[3] && !walk.of(node.inputs[3]).empty())
      for (size_t k = 0; k < axes.size(); ++k) result[k] = join(result[k], walk.of(node.inputs[3])[k], axes[k].output);
    return result;
  }
  if (node.op == &ops::conv_input_gradient && walk.is_map(x) && !walk.of(x).empty()) {
    const auto axes = adjoint_window(walk.graph, node);
    Fields result;
    for (size_t k = 0; k < axes.size(); ++k) result.push_back(through_adjoint(walk.of(x)[k], axes[k]));
    return result;
  }
  if (keeps_positions(node)) return walk.joined(node);
  if (const auto fields = shifted(walk, node)) return *fields;
  const std::string_view op = node.op->name;
  if ((op == "resize" || op == "upsample") && walk.is_map(x) && !walk.of(x).empty()) {
    const std::string text = node.attributes.text(true);
    const double reach = text.find("cubic") != text.npos ? 2 : text.find("linear") != text.npos ? 1 : 0.5;
    const auto from = walk.spatial(x), to = walk.spatial_of_output(node);
    Fields result;
    for (size_t k = 0; k < from.size(); ++k) result.push_back(through_resize(walk.of(x)[k], from[k], to[k], reach));
    return result;
  }
  // Softmax over channels and reshapes that keep the positions as they are.
  if ((op == "softmax" || op == "log_softmax" || op == "reduce" || op == "arg_max") && walk.is_map(x) &&
      walk.spatial(x) == walk.spatial_of_output(node) && node.outputs[0].shape.size() == walk.lengths.size() + 2)
    return walk.joined(node);
  return walk.all_of(node);
}

}  // namespace

std::vector<std::vector<ReceptiveField>> receptive_fields(const Graph& graph, Value input) {
  const Shape& shape = graph.shape(input);
  std::vector<std::vector<ReceptiveField>> none(static_cast<size_t>(graph.size()));
  if (shape.rank() < 3) return none;
  Walk walk{graph, {shape.begin() + 2, shape.end()}, std::move(none)};
  walk.fields[static_cast<size_t>(input.node)].assign(walk.lengths.size(), ReceptiveField{});
  for (int i = 0; i < graph.size(); ++i)
    if (i != input.node) walk.fields[static_cast<size_t>(i)] = fields_of(walk, graph.node(i));
  return walk.fields;
}

Interval seen_by(const ReceptiveField& field, int64_t index, int64_t length) {
  const double begin = field.offset + field.stride * static_cast<double>(index);
  const auto low = static_cast<int64_t>(std::floor(begin)), high = static_cast<int64_t>(std::ceil(begin + field.size));
  return {std::clamp<int64_t>(low, 0, length), std::clamp<int64_t>(high, 0, length)};
}

}  // namespace fovea
