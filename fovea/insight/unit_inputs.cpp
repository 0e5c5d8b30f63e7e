#include "fovea/insight/unit_inputs.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "fovea/insight/filters.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/matmul.h"

namespace fovea {

namespace {

// One input of the layer's weights: unit `input` of the value that they multiply, for unit `output`.
struct Weights {
  Value from;
  Tensor tensor;  // [O,I,taps]
  int64_t groups = 1;
};

// Channel c of the output is made from channel c of the first input alone.
bool keeps_units_apart(const Graph& graph, const Node& node) {
  static constexpr std::string_view kNames[] = {"relu",
                                                "leaky_relu",
                                                "prelu",
                                                "elu",
                                                "celu",
                                                "selu",
                                                "gelu",
                                                "clip",
                                                "sigmoid",
                                                "tanh",
                                                "softplus",
                                                "hard_sigmoid",
                                                "hard_swish",
                                                "mish",
                                                "identity",
                                                "dropout",
                                                "scale",
                                                "batch_norm",
                                                "channel_affine",
                                                "max_pool",
                                                "average_pool",
                                                "lp_pool",
                                                "global_average_pool",
                                                "global_lp_pool",
                                                "adaptive_average_pool",
                                                "softmax",
                                                "thresholded_relu",
                                                "softsign",
                                                "lrn"};  // the last one lets neighbours damp each other, no more
  if (std::find(std::begin(kNames), std::end(kNames), node.op->name) == std::end(kNames)) return false;
  const Shape &in = graph.shape(node.inputs[0]), &out = node.outputs[0].shape;
  return in.rank() >= 2 && out.rank() >= 2 && in[1] == out[1];
}

bool reshapes(const Node& node) {
  static constexpr std::string_view kNames[] = {"reshape", "flatten", "squeeze", "unsqueeze"};
  return std::find(std::begin(kNames), std::end(kNames), node.op->name) != std::end(kNames);
}

// A reduction over the positions, as ONNX files write global pooling.
bool reduces_positions(const Graph& graph, const Node& node) {
  if (node.op->name != std::string_view("reduce")) return false;
  const Shape &in = graph.shape(node.inputs[0]), &out = node.outputs[0].shape;
  return in.rank() >= 3 && out.rank() >= 2 && in[0] == out[0] && in[1] == out[1] && out.count() == in[0] * in[1];
}

struct Place {
  Value value;
  int64_t unit = 0;
};

// A bias or a factor that is known.
bool shifts_or_scales(const Model& model, const Node& node) {
  static constexpr std::string_view kNames[] = {"add", "sub", "mul", "div"};
  return std::find(std::begin(kNames), std::end(kNames), node.op->name) != std::end(kNames) &&
         model.graph.shape(node.inputs[0]) == node.outputs[0].shape && weight_of(model, node.inputs[1]);
}

// One step back along the path of a unit; nothing where units are mixed.
std::optional<Place> before(const Model& model, Place at) {
  const Graph& graph = model.graph;
  const Node& node = graph.node(at.value);
  if (node.inputs.empty() || !node.inputs[0] || at.value.output != 0) return {};
  if (shifts_or_scales(model, node)) return Place{node.inputs[0], at.unit};
  if (keeps_units_apart(graph, node) || reduces_positions(graph, node)) return Place{node.inputs[0], at.unit};
  if (node.op == &ops::concat) {
    const int64_t axis = node.attributes.as<ConcatAttributes>().axis;
    if (axis != 1 && axis + static_cast<int64_t>(node.outputs[0].shape.rank()) != 1) return {};
    for (const Value part : node.inputs) {
      const Shape& shape = graph.shape(part);
      if (shape.rank() < 2 || shape[0] != node.outputs[0].shape[0]) return {};
      if (at.unit < shape[1]) return Place{part, at.unit};
      at.unit -= shape[1];
    }
    return {};
  }
  if (!reshapes(node)) return {};
  // Channels keep their places when the rest of the row is cut in another way.
  const Shape &in = graph.shape(node.inputs[0]), &out = node.outputs[0].shape;
  if (in.rank() < 2 || out.rank() < 2 || in[0] != out[0] || in.count() == 0) return {};
  const int64_t own = out.count(2, out.rank()), others = in.count(2, in.rank());
  return Place{node.inputs[0], at.unit * own / others};
}

std::optional<Weights> weights_behind(const Model& model, Value layer) {
  const Graph& graph = model.graph;
  for (Value v = layer; v;) {
    const Node& node = graph.node(v);
    if (node.op == &ops::conv) {
      const auto w = weight_of(model, node.inputs[1]);
      if (!w) return {};
      const Shape& s = w->shape();
      return Weights{node.inputs[0], w->cast(DType::f32).reshaped({s[0], s[1], s.count(2, s.rank())}),
                     node.attributes.as<ConvAttributes>().groups};
    }
    if (node.op == &ops::gemm || node.op == &ops::matmul) {
      const auto w = weight_of(model, node.inputs[1]);
      if (!w || w->rank() != 2) return {};
      const bool rows_are_units = node.op == &ops::gemm ? node.attributes.as<GemmAttributes>().trans_b
                                                        : node.attributes.as<MatmulAttributes>().transpose_b;
      const Tensor all = w->cast(DType::f32);
      if (rows_are_units) return Weights{node.inputs[0], all.reshaped({all.size(0), all.size(1), 1}), 1};
      Tensor turned(DType::f32, {all.size(1), all.size(0), 1});
      for (int64_t i = 0; i < all.size(0); ++i)
        for (int64_t o = 0; o < all.size(1); ++o) turned.set(o * all.size(0) + i, all.at(i * all.size(1) + o));
      return Weights{node.inputs[0], turned, 1};
    }
    const auto one_before = before(model, {v, 0});
    if (!one_before || node.op == &ops::concat || graph.shape(one_before->value)[1] != graph.shape(layer)[1]) return {};
    v = one_before->value;
  }
  return {};
}

// The unit of one of the layers that channel `unit` of `value` comes from.
std::optional<UnitInput> traced(const Model& model, std::span<const Value> layers, Place at) {
  while (true) {
    const auto found = std::find(layers.begin(), layers.end(), at.value);
    if (found != layers.end()) return UnitInput{static_cast<size_t>(found - layers.begin()), at.unit, 0, 0};
    const auto next = before(model, at);
    if (!next) return {};
    at = *next;
  }
}

}  // namespace

std::vector<std::vector<UnitInput>> unit_inputs(const Model& model, std::span<const Value> layers, size_t layer,
                                                size_t most) {
  const int64_t units = model.graph.shape(layers[layer])[1];
  std::vector<std::vector<UnitInput>> result(static_cast<size_t>(units));
  const auto weights = weights_behind(model, layers[layer]);
  if (!weights || weights->tensor.size(0) != units) return result;
  const Tensor& w = weights->tensor;
  const int64_t inputs = w.size(1), taps = w.size(2), group = units / weights->groups;
  std::vector<std::optional<UnitInput>> sources;
  for (int64_t i = 0; i < inputs * weights->groups; ++i) sources.push_back(traced(model, layers, {weights->from, i}));
  const float* data = w.data<float>().data();
  for (int64_t o = 0; o < units; ++o) {
    std::vector<UnitInput>& own = result[static_cast<size_t>(o)];
    for (int64_t i = 0; i < inputs; ++i) {
      const auto& source = sources[static_cast<size_t>(o / group * inputs + i)];
      if (!source) continue;
      // The positions of one map that a matrix product takes in one by one are one input.
      if (own.empty() || own.back().layer != source->layer || own.back().unit != source->unit) own.push_back(*source);
      for (int64_t t = 0; t < taps; ++t) {
        const auto value = static_cast<double>(data[(o * inputs + i) * taps + t]);
        own.back().weight += value;
        own.back().norm += value * value;  // its root is taken below
      }
    }
    for (UnitInput& input : own) input.norm = std::sqrt(input.norm);
    std::stable_sort(own.begin(), own.end(), [](const UnitInput& a, const UnitInput& b) { return a.norm > b.norm; });
    if (own.size() > most) own.resize(most);
  }
  return result;
}

}  // namespace fovea
