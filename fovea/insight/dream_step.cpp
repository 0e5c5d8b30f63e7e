// x ← clip(x + step · g / mean|g|),  g = ∂/∂x ½ Σ a(x)²: the activations a of a layer are back-propagated themselves.
// Source: Mordvintsev, Olah, Tyka, "Inceptionism: going deeper into neural networks", 2015, and their notebook
// google/deepdream: make_step, objective_L2 and objective_guide.
#include "fovea/insight/dream_step.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/arg_max.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/div.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/input.h"
#include "fovea/ops/log.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max.h"
#include "fovea/ops/min.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

constexpr double kLeast = 1e-30;  // divisors: a gradient that is 0 everywhere changes nothing

std::vector<std::string> nodes_of(const DreamObjective& objective) {
  if (objective.objective) return objective.objective->nodes();
  std::vector<std::string> nodes;
  for (const auto& [node, weight] : objective.layers) nodes.push_back(node);
  return nodes;
}

// The network up to some nodes behind the levels of a picture: what every graph here begins with.
struct Looked {
  Graph graph;
  Value picture;
  std::map<std::string, Value> layers;
};

Looked look(const Model& model, const std::vector<std::string>& nodes, int64_t height, int64_t width) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const Preprocess& how = *model.meaning.preprocess;
  const Value original = picture_input(model);
  const std::string& name = model.graph.node(original).name;
  const int64_t channels = level_channels(how);
  const Shape& shape = model.graph.shape(original);
  require(shape.rank() == 4 && shape[1] == channels, ErrorKind::usage,
          "the network's input is {}, expected pictures [N,{},H,W]", to_string(shape), channels);
  Graph cut;
  std::vector<Value> wants;
  for (const std::string& node : nodes) wants.push_back({model.graph.find(node), 0});
  const std::vector<bool> keep = reachable(model.graph, wants);
  const Mapping kept = copy(model.graph, cut, {}, &keep);
  for (const Value v : wants) cut.outputs.push_back({model.graph.node(v).name, kept(v)});
  for (const Value v : cut.inputs()) {
    const Node& node = cut.node(v);
    require(node.name == name || node.attributes.as<InputAttributes>().bound, ErrorKind::usage,
            "the network has another input, \"{}\", besides its picture: that is not supported here", node.name);
  }
  if (cut.find(name) >= 0) {
    try {
      cut = respecialise(cut, {{name, {DType::f32, {1, channels, height, width}}}});
    } catch (const Error& e) {
      throw Error(
          ErrorKind::usage,
          fmt::format("the network does not take a picture of {} x {} pixels; a larger one may fit (--size): {}", width,
                      height, e.message()));
    }
  }
  Looked result;
  result.picture = input(result.graph, kDreamPicture, {DType::f32, {1, channels, height, width}});
  const Value seen = network_input(result.graph, result.picture, how);
  const Mapping mapping = copy(cut, result.graph, [&](int index, std::span<const Value>) -> std::vector<Value> {
    return cut.node(index).name == name ? std::vector<Value>{seen} : std::vector<Value>{};
  });
  for (const NamedValue& output : cut.outputs) result.layers[output.name] = mapping(output.value);
  return result;
}

// What takes the place of a layer's answers [1,C,h,w]: of the guide's answers at all its positions, at each position
// the one whose dot product with the picture's is greatest. Appends the mean of those products to `value`.
Value guided(Graph& graph, Value layer, const Tensor& guide, Value& value) {
  const Shape shape = graph.shape(layer);
  const int64_t units = shape[1], positions = shape.count() / units, seen = guide.count() / units;
  Tensor flat = guide.reshaped({units, seen});
  const Value answers = constant(graph, std::move(flat));
  const Value mine = reshape(graph, layer, Shape{units, positions});
  const Value products = matmul(graph, mine, answers, {.transpose_a = true});  // [positions, seen]
  const Value best = arg_max(graph, products, {.axis = 1, .keep = false});
  const Value mean = reduce(graph, reduce(graph, products, {.kind = "max", .axes = {1}}), {.kind = "mean"});
  value = value ? add(graph, value, mean) : mean;
  return reshape(graph, gather(graph, answers, best, 1), shape);
}

Value half_squares(Graph& graph, Value layer, const char* kind) {
  return scale(graph, reduce(graph, mul(graph, layer, layer), {.kind = kind}), 0.5);
}

// The value of an objective that is no guide; `loss` is what has the gradient.
void set_value(Graph& graph, const DreamObjective& objective, const Looked& looked, Value& value, Value& loss) {
  if (objective.objective) {
    const Taps taps{[&](const std::string& node) { return looked.layers.at(node); }, looked.picture};
    value = loss = reduce(graph, (*objective.objective)(graph, taps));
    return;
  }
  for (const auto& [node, weight] : objective.layers) {
    const Value layer = looked.layers.at(node);
    const Value mean = half_squares(graph, layer, "mean");
    value = value ? add(graph, value, mean) : mean;
    const Value term = scale(graph, log(graph, shift(graph, half_squares(graph, layer, "sum"), kLeast)), weight);
    loss = loss ? add(graph, loss, term) : term;
  }
}

// g [1,C,H,W] in bands, each of root mean square 1, added up again. The bands: what is left after smoothing with the
// binomial kernel (1 4 6 4 1)²/256, halved in size each time.
Value with_even_bands(Graph& graph, Value g) {
  const Shape shape = graph.shape(g);
  // Channels as a batch: one kernel for all.
  Value rest = reshape(graph, g, Shape{shape[0] * shape[1], 1, shape[2], shape[3]});
  Tensor kernel(DType::f32, {1, 1, 5, 5});
  static constexpr int kRow[] = {1, 4, 6, 4, 1};
  for (int64_t y = 0; y < 5; ++y)
    for (int64_t x = 0; x < 5; ++x) kernel.set(y * 5 + x, kRow[y] * kRow[x] / 256.0);
  const Value smooth = constant(graph, kernel);
  const auto even = [&](Value band) {
    const Value mean = reduce(graph, mul(graph, band, band), {.kind = "mean"});
    return div(graph, band, maximum(graph, sqrt(graph, mean), scalar(graph, kLeast)));
  };
  const auto enlarged = [&](Value small, const Shape& large) {
    return scale(graph,
                 conv_input_gradient(graph, small, smooth,
                                     {.stride = {2, 2}, .pad = {2, 2, 2, 2}, .sizes = {large[2], large[3]}}),
                 4);
  };
  std::vector<Value> bands;
  std::vector<Shape> sizes;
  for (int k = 0; k < kPyramidBands; ++k) {
    const Shape large = graph.shape(rest);
    if (std::min(large[2], large[3]) < 5) break;  // nothing left to halve
    const Value small = conv(graph, rest, smooth, {}, {.stride = 2, .pad = 2});
    bands.push_back(even(sub(graph, rest, enlarged(small, large))));
    sizes.push_back(large);
    rest = small;
  }
  Value sum = even(rest);
  for (size_t k = bands.size(); k-- > 0;) sum = add(graph, enlarged(sum, sizes[k]), bands[k]);
  return reshape(graph, sum, shape);
}

Value channel_vector(Graph& graph, const std::vector<double>& values, double sign, double offset) {
  Tensor t(DType::f32, {1, static_cast<int64_t>(values.size()), 1, 1});
  for (size_t c = 0; c < values.size(); ++c) t.set(static_cast<int64_t>(c), offset + sign * values[c]);
  return constant(graph, t);
}

}  // namespace

const std::vector<std::string>& dream_gradients() {
  static const std::vector<std::string> names = {"plain", "pyramid"};
  return names;
}

std::string DreamObjective::description() const {
  if (objective) return objective->description();
  std::string text;
  for (const auto& [node, weight] : layers) {
    if (!text.empty()) text += " + ";
    if (weight != 1) text += fmt::format("{:g} * ", weight);
    text += node;
  }
  return guide ? text + ", guided" : text;
}

DreamAnswers dream_answers(const Model& model, const DreamObjective& objective, int64_t height, int64_t width) {
  Looked looked = look(model, nodes_of(objective), height, width);
  DreamAnswers result;
  for (const std::string& node : nodes_of(objective)) result.layers.push_back(looked.layers.at(node));
  result.graph = std::move(looked.graph);
  return result;
}

DreamGradient dream_forward(const Model& model, const DreamObjective& objective, int64_t height, int64_t width) {
  Looked looked = look(model, nodes_of(objective), height, width);
  DreamGradient result;
  Value loss;
  set_value(looked.graph, objective, looked, result.value, loss);
  result.picture = looked.picture;
  result.graph = std::move(looked.graph);
  return result;
}

DreamGradient dream_gradient(const Model& model, const DreamObjective& objective, const std::vector<Tensor>& guides,
                             int64_t height, int64_t width) {
  Looked looked = look(model, nodes_of(objective), height, width);
  Graph& graph = looked.graph;
  DreamGradient result;
  result.picture = looked.picture;
  const std::vector<Value> wrt = {looked.picture};
  if (!guides.empty()) {
    for (size_t k = 0; k < objective.layers.size(); ++k) {
      const auto& [node, weight] = objective.layers[k];
      const Value layer = looked.layers.at(node);
      const Value seed = scale(graph, guided(graph, layer, guides.at(k), result.value), weight);
      const Value g = gradient(graph, layer, wrt, {}, seed)[0];
      result.gradient = result.gradient ? add(graph, result.gradient, g) : g;
    }
  } else {
    Value loss;
    set_value(graph, objective, looked, result.value, loss);
    const bool published = !objective.objective && objective.layers.size() == 1;
    if (published) {
      const Value layer = looked.layers.at(objective.layers[0].first);
      const double weight = objective.layers[0].second;
      result.gradient = gradient(graph, layer, wrt, {}, weight == 1 ? layer : scale(graph, layer, weight))[0];
    } else {
      result.gradient = gradient(graph, loss, wrt)[0];
    }
  }
  result.graph = std::move(looked.graph);
  return result;
}

DreamChange dream_change(Graph& graph, Value picture, Value g, Value mask, const DreamRule& rule,
                         const std::vector<double>& centre) {
  const auto& names = dream_gradients();
  require(std::find(names.begin(), names.end(), rule.gradient) != names.end(), ErrorKind::usage,
          "there is no gradient \"{}\"; known: {}", rule.gradient, fmt::join(names, ", "));
  const auto mean_size = [&](Value v) { return reduce(graph, abs(graph, v), {.kind = "mean"}); };
  DreamChange change;
  change.size = mean_size(g);
  const bool bands = rule.gradient == "pyramid";
  const Value shaped = bands ? with_even_bands(graph, g) : g;
  const Value size = bands ? mean_size(shaped) : change.size;
  const Value rate = div(graph, scalar(graph, rule.step), maximum(graph, size, scalar(graph, kLeast)));
  Value d = mul(graph, shaped, rate);
  if (mask) d = mul(graph, d, mask);
  change.next = add(graph, picture, d);
  if (rule.clip)
    change.next = maximum(graph, minimum(graph, change.next, channel_vector(graph, centre, -1, 255)),
                          channel_vector(graph, centre, -1, 0));
  return change;
}

}  // namespace fovea
