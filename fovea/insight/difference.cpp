// For two tensors a and b:  relative = |b − a|₂ / |a|₂,  cosine = a·b / (|a|₂ |b|₂).  Sums are kept in double.
#include "fovea/insight/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "fovea/graph/op.h"
#include "fovea/insight/matching.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"

namespace fovea {

namespace {

// Reads elements as doubles without a second copy of the usual f32.
template <class F>
void with_elements(const Tensor& tensor, F&& use) {
  if (tensor.dtype() == DType::f32) return use(tensor.data<float>());
  const Tensor wide = tensor.cast(DType::f64);
  use(wide.data<double>());
}

template <class A, class B>
Distance distance_between(std::span<const A> a, std::span<const B> b) {
  Distance d;
  double aa = 0, bb = 0, ab = 0, dd = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) {
      const bool same = x == y || (std::isnan(x) && std::isnan(y));
      d.not_finite += !same;
      continue;
    }
    const double change = std::abs(y - x);
    aa += x * x, bb += y * y, ab += x * y, dd += change * change;
    if (change > d.largest) d.largest = change, d.at = static_cast<int64_t>(i);
  }
  d.relative = dd == 0 ? 0 : aa == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(dd / aa);
  d.cosine = aa > 0 && bb > 0 ? ab / (std::sqrt(aa) * std::sqrt(bb)) : aa == bb ? 1 : 0;
  return d;
}

WeightDifference weight_difference(const Model& a, int node_a, const Model& b, int node_b) {
  WeightDifference w;
  const Tensor* x = node_a >= 0 ? weight_at(a, node_a) : nullptr;
  const Tensor* y = node_b >= 0 ? weight_at(b, node_b) : nullptr;
  if (node_a >= 0) w.a = a.graph.node(node_a).name, w.type_a = a.graph.type({node_a, 0});
  if (node_b >= 0) w.b = b.graph.node(node_b).name, w.type_b = b.graph.type({node_b, 0});
  w.comparable = x && y && x->shape() == y->shape();
  if (w.comparable) w.distance = distance(*x, *y);
  return w;
}

std::vector<AttributeDifference> attribute_differences(const Layer& a, const Layer& b) {
  std::vector<AttributeDifference> result;
  for (const auto& [name, value] : a.attributes) {
    const auto same = [&, key = &name](const auto& other) { return other.first == *key; };
    const auto found = std::find_if(b.attributes.begin(), b.attributes.end(), same);
    if (found == b.attributes.end()) result.push_back({name, value, ""});
    else if (found->second != value) result.push_back({name, value, found->second});
  }
  for (const auto& [name, value] : b.attributes) {
    const auto same = [&, key = &name](const auto& other) { return other.first == *key; };
    if (std::find_if(a.attributes.begin(), a.attributes.end(), same) == a.attributes.end())
      result.push_back({name, "", value});
  }
  return result;
}

// Whether two partners follow layers that are no partners. A layer that stands alone is told of by itself.
bool inputs_differ(const Layer& a, const Layer& b, const std::vector<int>& to_b, const std::vector<bool>& alone_b) {
  for (size_t i = 0; i < std::min(a.from.size(), b.from.size()); ++i) {
    const int x = a.from[i], y = b.from[i];
    if (y >= 0 && alone_b[static_cast<size_t>(y)]) continue;
    if (x >= 0 && to_b[static_cast<size_t>(x)] < 0) continue;
    if ((x >= 0 ? to_b[static_cast<size_t>(x)] : -1) != y) return true;
  }
  return false;
}

LayerPair pair_of(const Model& a, const Layer& x, const Model& b, const Layer& y) {
  const Node &node_a = a.graph.node(x.node), &node_b = b.graph.node(y.node);
  LayerPair pair;
  pair.a = x.node, pair.b = y.node;
  pair.name_a = node_a.name, pair.name_b = node_b.name;
  pair.op = node_a.op->name;
  pair.shape_a = node_a.outputs[0].shape, pair.shape_b = node_b.outputs[0].shape;
  if (node_a.op != node_b.op)
    pair.attributes.push_back({"op", std::string(node_a.op->name), std::string(node_b.op->name)});
  else pair.attributes = attribute_differences(x, y);
  for (size_t i = 0; i < std::max(x.weights.size(), y.weights.size()); ++i) {
    const int wa = i < x.weights.size() ? x.weights[i] : -1, wb = i < y.weights.size() ? y.weights[i] : -1;
    if (wa >= 0 || wb >= 0) pair.weights.push_back(weight_difference(a, wa, b, wb));
  }
  return pair;
}

LayerAlone alone(const Model& model, const Layer& layer) {
  const Node& node = model.graph.node(layer.node);
  return {layer.node, node.name, std::string(node.op->name), node.outputs[0].shape};
}

std::vector<AttributeDifference> meaning_differences(const Model& a, const Model& b) {
  std::vector<AttributeDifference> result;
  const auto compare = [&](std::string name, std::string x, std::string y) {
    if (x != y) result.push_back({std::move(name), std::move(x), std::move(y)});
  };
  const auto types = [](const Model& m, bool inputs) {
    std::string text;
    if (inputs)
      for (const Value v : m.graph.inputs()) text += (text.empty() ? "" : ", ") + to_string(m.graph.type(v));
    else
      for (const NamedValue& o : m.graph.outputs) text += (text.empty() ? "" : ", ") + to_string(m.graph.type(o.value));
    return text;
  };
  compare("inputs", types(a, true), types(b, true));
  compare("outputs", types(a, false), types(b, false));
  const auto preparation = [](const Model& m) {
    return m.meaning.preprocess ? describe(*m.meaning.preprocess) : std::string("not known");
  };
  compare("pictures", preparation(a), preparation(b));
  compare("scores are", a.meaning.probabilities ? "probabilities" : "scores",
          b.meaning.probabilities ? "probabilities" : "scores");
  compare("classes named", fmt::format("{}", a.meaning.classes.size()), fmt::format("{}", b.meaning.classes.size()));
  for (size_t i = 0; i < std::min(a.meaning.classes.size(), b.meaning.classes.size()); ++i)
    if (a.meaning.classes[i] != b.meaning.classes[i]) {
      compare(fmt::format("class {}", i), a.meaning.classes[i], b.meaning.classes[i]);
      break;  // the first tells enough
    }
  return result;
}

// The values of matched layers that are floats, then the scores.
std::vector<Tensor> answers(const Model& model, const std::vector<Value>& wants, const Tensor& input, Backend& backend,
                            const CompileOptions& options) {
  Program program = compile(model.graph, wants, model.weights, backend, options);
  return program.run({{model.graph.node(picture_input(model)).name, input}});
}

}  // namespace

Distance distance(const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), ErrorKind::shape, "tensors of shape {} and {} cannot be compared",
          to_string(a.shape()), to_string(b.shape()));
  Distance result;
  if (a.same_bits(b)) {
    result.same_bits = true;
    return result;
  }
  with_elements(a, [&](auto x) { with_elements(b, [&](auto y) { result = distance_between(x, y); }); });
  return result;
}

bool ModelDifference::same_structure() const {
  return removed.empty() && added.empty() &&
         std::none_of(pairs.begin(), pairs.end(), [](const LayerPair& p) { return p.changed(); });
}

bool ModelDifference::same_weights() const {
  for (const LayerPair& pair : pairs)
    for (const WeightDifference& w : pair.weights)
      if (w.differs()) return false;
  return true;
}

bool ModelDifference::same_names() const {
  return std::none_of(pairs.begin(), pairs.end(), [](const LayerPair& p) { return p.renamed(); });
}

ModelDifference difference_of(const Model& a, const Model& b) {
  const std::vector<Layer> layers_a = layers_of(a), layers_b = layers_of(b);
  const std::vector<int> to_b = match_layers(a, layers_a, b, layers_b);
  std::vector<bool> alone_b(layers_b.size(), true);
  for (const int j : to_b)
    if (j >= 0) alone_b[static_cast<size_t>(j)] = false;
  ModelDifference result;
  for (size_t i = 0; i < layers_a.size(); ++i) {
    if (to_b[i] < 0) {
      result.removed.push_back(alone(a, layers_a[i]));
      continue;
    }
    const Layer& other = layers_b[static_cast<size_t>(to_b[i])];
    LayerPair pair = pair_of(a, layers_a[i], b, other);
    pair.inputs_differ = inputs_differ(layers_a[i], other, to_b, alone_b);
    result.pairs.push_back(std::move(pair));
  }
  for (size_t j = 0; j < layers_b.size(); ++j)
    if (alone_b[j]) result.added.push_back(alone(b, layers_b[j]));
  result.meaning = meaning_differences(a, b);
  return result;
}

AnswerDifference answer_difference(const Model& a, const Model& b, const ModelDifference& difference,
                                   const Tensor& input_a, const Tensor& input_b, double tolerance, Backend& backend,
                                   const CompileOptions& options) {
  AnswerDifference result;
  std::vector<Value> wants_a, wants_b;
  for (size_t i = 0; i < difference.pairs.size(); ++i) {
    const LayerPair& pair = difference.pairs[i];
    const Value x{pair.a, 0}, y{pair.b, 0};
    if (!is_float(a.graph.dtype(x)) || !is_float(b.graph.dtype(y))) continue;
    result.layers.push_back({static_cast<int>(i), pair.shape_a == pair.shape_b, {}});
    wants_a.push_back(x), wants_b.push_back(y);
  }
  wants_a.push_back(scores_output(a)), wants_b.push_back(scores_output(b));
  const std::vector<Tensor> values_a = answers(a, wants_a, input_a, backend, options);
  const std::vector<Tensor> values_b = answers(b, wants_b, input_b, backend, options);
  for (size_t i = 0; i < result.layers.size(); ++i) {
    ActivationDifference& layer = result.layers[i];
    if (!layer.comparable) continue;
    layer.distance = distance(values_a[i], values_b[i]);
    const bool apart = !(layer.distance.relative <= tolerance) || layer.distance.not_finite > 0;
    if (apart && result.first < 0) result.first = static_cast<int>(i);
  }
  result.scores_a = values_a.back(), result.scores_b = values_b.back();
  result.scores_comparable = result.scores_a.shape() == result.scores_b.shape();
  if (result.scores_comparable) result.scores = distance(result.scores_a, result.scores_b);
  return result;
}

}  // namespace fovea
