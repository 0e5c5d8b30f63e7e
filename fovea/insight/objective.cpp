// channel(l, u) = mean_yx Φ_l[u, y, x];  neuron(l, u, y, x) = Φ_l[u, y, x];  direction(l, v) = Σ_u v_u channel(l, u) /
// ‖v‖. Source: Erhan, Bengio, Courville, Vincent, "Visualizing higher-layer features of a deep network", 2009; the set
// of objectives is that of Olah, Mordvintsev, Schubert, "Feature visualization", Distill 2017, and their Lucid.
#include "fovea/insight/objective.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/insight/class_scores.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"
#include "fovea/model/layers.h"
#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/div.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less_equal.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

// Where a unit's answer is read.
struct Place {
  bool whole = true;
  int64_t y = 0, x = 0;
};

// What a layer would be without the ReLU that it ends in, looking through averages and reshaping; nothing where it does
// not end in one.
Value before_relu(Graph& graph, Value v) {
  const Node node = graph.node(v);
  if (node.inputs.empty()) return {};
  if (node.op->name == "relu") return node.inputs[0];
  if (node.op->name == "concat") {
    std::vector<Value> inputs;
    for (const Value input : node.inputs) {
      const Value before = before_relu(graph, input);
      if (!before) return {};
      inputs.push_back(before);
    }
    return graph.add(*node.op, std::move(inputs), node.attributes);
  }
  static constexpr std::array<std::string_view, 6> kLinear = {
      "average_pool", "global_average_pool", "flatten", "reshape", "identity", "squeeze"};
  const bool mean = node.op->name == "reduce" && node.attributes.as<ReduceAttributes>().kind == "mean";
  if (!mean && std::find(kLinear.begin(), kLinear.end(), node.op->name) == kLinear.end()) return {};
  const Value before = before_relu(graph, node.inputs[0]);
  if (!before) return {};
  std::vector<Value> inputs = node.inputs;
  inputs[0] = before;
  return graph.add(*node.op, std::move(inputs), node.attributes);
}

// [N,C,H,W] or [N,C] → [N,C].
Value read_at(Graph& graph, Value v, const Place& place) {
  const Shape shape = graph.shape(v);
  if (shape.rank() == 2) return v;
  if (place.whole) return reduce(graph, v, {.kind = "mean", .axes = {2, 3}});
  v = slice(graph, slice(graph, v, 2, place.y, place.y + 1), 3, place.x, place.x + 1);
  return reshape(graph, v, Shape{shape[0], shape[1]});
}

// The answers [N,C] of all units.
Value answers(Graph& graph, Value layer, const Place& place) {
  const Value after = read_at(graph, layer, place);
  const Value before = before_relu(graph, layer);
  if (!before) return after;
  return where(graph, less_equal(graph, after, scalar(graph, 0)), read_at(graph, before, place), after);
}

Value batch_vector(Graph& graph, Value v, int64_t batch) { return reshape(graph, v, Shape{batch}); }

PictureObjective of_layer(const UnitLayer& layer, std::string description, const Place& place,
                          std::function<Value(Graph&, Value)> pick) {
  return {std::move(description), {layer.node}, [node = layer.node, place, pick](Graph& graph, const Taps& taps) {
            const Value all = answers(graph, taps.layer(node), place);
            const int64_t batch = graph.shape(all)[0];
            return batch_vector(graph, pick(graph, all), batch);
          }};
}

PictureObjective combined(const PictureObjective& a, const PictureObjective& b, std::string description,
                          Value (*combine)(Graph&, Value, Value)) {
  std::vector<std::string> nodes = a.nodes();
  nodes.insert(nodes.end(), b.nodes().begin(), b.nodes().end());
  return {std::move(description), std::move(nodes),
          [a, b, combine](Graph& graph, const Taps& taps) { return combine(graph, a(graph, taps), b(graph, taps)); }};
}

// A sum in parentheses, so that it can be multiplied.
std::string enclosed(const std::string& text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '(';
    depth -= text[i] == ')';
    if (depth == 0 && text.compare(i, 3, " + ") == 0) return "(" + text + ")";
    if (depth == 0 && text.compare(i, 3, " - ") == 0) return "(" + text + ")";
  }
  return text;
}

Value unit_levels(Graph& graph, const Taps& taps) { return scale(graph, taps.levels, 1.0 / 255); }

std::string quoted(const std::string& name) {
  return name.find_first_of(",()\" ") == std::string::npos ? name : "\"" + name + "\"";
}

Place middle_of(const UnitLayer& layer, int64_t y = -1, int64_t x = -1) {
  return {false, y < 0 ? layer.height / 2 : y, x < 0 ? layer.width / 2 : x};
}

}  // namespace

PictureObjective operator+(const PictureObjective& a, const PictureObjective& b) {
  return combined(a, b, a.description() + " + " + b.description(), add);
}
PictureObjective operator-(const PictureObjective& a, const PictureObjective& b) {
  return combined(a, b, a.description() + " - " + enclosed(b.description()), sub);
}
PictureObjective operator*(const PictureObjective& a, const PictureObjective& b) {
  return combined(a, b, enclosed(a.description()) + " * " + enclosed(b.description()), mul);
}
PictureObjective operator*(double factor, const PictureObjective& a) { return constant_objective(factor) * a; }
PictureObjective operator-(const PictureObjective& a) {
  return {"-" + enclosed(a.description()), a.nodes(),
          [a](Graph& graph, const Taps& taps) { return neg(graph, a(graph, taps)); }};
}

PictureObjective constant_objective(double value) {
  return {fmt::format("{:g}", value), {}, [value](Graph& graph, const Taps& taps) {
            return constant(graph, Tensor::full(DType::f32, {graph.shape(taps.levels)[0]}, value));
          }};
}

UnitLayer unit_layer(const Model& model, std::string_view name) {
  const Value v = find_layer(model, name);
  const Shape& shape = model.graph.shape(v);
  const bool fits = (shape.rank() == 4 || shape.rank() == 2) && model.graph.dtype(v) == DType::f32;
  require(fits, ErrorKind::usage,
          "layer \"{}\" is {}: expected maps [N,C,H,W] or a vector [N,C] a picture (`fovea layers` lists the layers)",
          name, to_string(model.graph.type(v)));
  if (shape.rank() == 2) return {model.graph.node(v).name, shape[1], 1, 1};
  return {model.graph.node(v).name, shape[1], shape[2], shape[3]};
}

void check_unit(const UnitLayer& layer, int64_t unit) {
  require(unit >= 0 && unit < layer.units, ErrorKind::usage, "layer \"{}\" has no unit {}: its {} units are 0 to {}",
          layer.node, unit, layer.units, layer.units - 1);
}

PictureObjective channel(const UnitLayer& layer, int64_t unit) {
  check_unit(layer, unit);
  return of_layer(layer, fmt::format("channel({}, {})", quoted(layer.node), unit), {},
                  [unit](Graph& graph, Value all) { return slice(graph, all, 1, unit, unit + 1); });
}

PictureObjective neuron(const UnitLayer& layer, int64_t unit, int64_t y, int64_t x) {
  check_unit(layer, unit);
  require(y < layer.height && x < layer.width, ErrorKind::usage,
          "layer \"{}\" has no position {}, {}: its maps are {}x{}", layer.node, y, x, layer.height, layer.width);
  std::string text = fmt::format("neuron({}, {}", quoted(layer.node), unit);
  if (y >= 0 || x >= 0) text += fmt::format(", {}, {}", middle_of(layer, y, x).y, middle_of(layer, y, x).x);
  return of_layer(layer, text + ")", middle_of(layer, y, x),
                  [unit](Graph& graph, Value all) { return slice(graph, all, 1, unit, unit + 1); });
}

PictureObjective direction(const UnitLayer& layer, const std::vector<std::pair<int64_t, double>>& weights) {
  double squares = 0;
  std::string text = "direction(" + quoted(layer.node);
  std::vector<float> vector(static_cast<size_t>(layer.units), 0.0f);
  for (const auto& [unit, weight] : weights) {
    check_unit(layer, unit);
    vector[static_cast<size_t>(unit)] += static_cast<float>(weight);
    text += fmt::format(", {}:{:g}", unit, weight);
  }
  for (const float v : vector) squares += static_cast<double>(v) * v;
  require(squares > 0 && std::isfinite(squares), ErrorKind::usage,
          "a direction of layer \"{}\" with no weight other than 0", layer.node);
  for (float& v : vector) v = static_cast<float>(v / std::sqrt(squares));
  return of_layer(layer, text + ")", {}, [vector](Graph& graph, Value all) {
    return matmul(graph, all, constant(graph, Tensor::of<float>({static_cast<int64_t>(vector.size()), 1}, vector)));
  });
}

PictureObjective selected_units(const UnitLayer& layer, bool middle) {
  return of_layer(layer, "units of " + layer.node, middle ? middle_of(layer) : Place{}, [](Graph& graph, Value all) {
    const Value selection = input(graph, kSelection, graph.type(all));
    return reduce(graph, mul(graph, all, selection), {.axes = {1}});
  });
}

UnitLayer score_layer(const Model& model) {
  return unit_layer(model, model.graph.node(scores_before_softmax(model.graph, scores_output(model))).name);
}

PictureObjective class_score(const Model& model, int64_t label) {
  const UnitLayer layer = score_layer(model);
  require(label >= 0 && label < layer.units, ErrorKind::usage, "there is no class {}: the network scores {} classes",
          label, layer.units);
  const PictureObjective score = channel(layer, label);
  const std::string name =
      model.meaning.classes.empty() ? fmt::format("{}", label) : quoted(class_name(model.meaning.classes, label));
  return {"class(" + name + ")", score.nodes(), [score](Graph& graph, const Taps& taps) { return score(graph, taps); }};
}

PictureObjective layer_energy(const Model& model, std::string_view layer) {
  const UnitLayer found = unit_layer(model, layer);
  return {"layer(" + quoted(found.node) + ")", {found.node}, [node = found.node](Graph& graph, const Taps& taps) {
            const Value v = taps.layer(node);
            Ints axes;
            for (int64_t k = 1; k < graph.shape(v).rank(); ++k) axes.push_back(k);
            return reduce(graph, mul(graph, v, v), {.kind = "mean", .axes = axes});
          }};
}

PictureObjective total_variation(const TotalVariation& settings) {
  return {fmt::format("tv({:g}, {})", settings.beta, settings.form), {}, [settings](Graph& graph, const Taps& taps) {
            return total_variation(graph, unit_levels(graph, taps), settings);
          }};
}

PictureObjective alpha_norm(const AlphaNorm& settings) {
  return {fmt::format("alpha_norm({:g}, {})", settings.alpha, settings.form),
          {},
          [settings](Graph& graph, const Taps& taps) { return alpha_norm(graph, unit_levels(graph, taps), settings); }};
}

PictureObjective l2() {
  return {"l2()", {}, [](Graph& graph, const Taps& taps) {
            const Value x = unit_levels(graph, taps);
            return sqrt(graph, shift(graph, reduce(graph, mul(graph, x, x), {.axes = {1, 2, 3}}), 1e-6));
          }};
}

PictureObjective diversity(const Model& model, std::string_view layer) {
  const UnitLayer found = unit_layer(model, layer);
  return {"diversity(" + quoted(found.node) + ")", {found.node}, [found](Graph& graph, const Taps& taps) {
            const Value v = taps.layer(found.node);
            const Shape shape = graph.shape(v);
            const int64_t batch = shape[0], units = shape[1];
            if (batch == 1) return constant(graph, Tensor(DType::f32, {1}));
            const Value flat = reshape(graph, v, Shape{batch, units, shape.count() / (batch * units)});
            const Value gram =
                reshape(graph, matmul(graph, flat, flat, {.transpose_b = true}), Shape{batch, units * units});
            const Value squares = reduce(graph, mul(graph, gram, gram), {.axes = {1}, .keep = true});
            const Value unit = div(graph, gram, sqrt(graph, shift(graph, squares, 1e-10)));
            const Value alike = matmul(graph, unit, unit, {.transpose_b = true});
            Tensor others = Tensor::full(DType::f32, {batch, batch}, -1.0 / static_cast<double>(batch - 1));
            for (int64_t i = 0; i < batch; ++i) others.set(i * batch + i, 0);
            return reduce(graph, mul(graph, alike, constant(graph, others)), {.axes = {1}});
          }};
}

PictureObjective interpolation(const PictureObjective& a, const PictureObjective& b) {
  std::vector<std::string> nodes = a.nodes();
  nodes.insert(nodes.end(), b.nodes().begin(), b.nodes().end());
  return {"interpolation(" + a.description() + ", " + b.description() + ")", std::move(nodes),
          [a, b](Graph& graph, const Taps& taps) {
            const int64_t batch = graph.shape(taps.levels)[0];
            Tensor first(DType::f32, {batch}), second(DType::f32, {batch});
            for (int64_t n = 0; n < batch; ++n) {
              const double t = batch > 1 ? static_cast<double>(n) / static_cast<double>(batch - 1) : 0;
              first.set(n, 1 - t);
              second.set(n, t);
            }
            return add(graph, mul(graph, a(graph, taps), constant(graph, first)),
                       mul(graph, b(graph, taps), constant(graph, second)));
          }};
}

}  // namespace fovea
