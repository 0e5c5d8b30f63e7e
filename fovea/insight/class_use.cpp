#include "fovea/insight/class_use.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/train/losses.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

// Sums over all but the pictures and the units: [N,C].
Value over_positions(Graph& graph, Value x) {
  Ints axes;
  for (int64_t axis = 2; axis < static_cast<int64_t>(graph.shape(x).rank()); ++axis) axes.push_back(axis);
  return axes.empty() ? x : reduce(graph, x, {.kind = "sum", .axes = axes});
}

// The row's greatest number.
int64_t best_of(const float* scores, int64_t classes) { return std::max_element(scores, scores + classes) - scores; }

}  // namespace

ClassUse::ClassUse(const Model& model, std::span<const Value> layers, Backend& backend, const CompileOptions& options) {
  Graph graph = model.graph;
  input_ = graph.node(picture_input(model)).name;
  const Value scores = logits_of(graph, scores_output(model));
  classes_ = graph.shape(scores)[1];
  const std::vector<bool> used = reachable(graph, std::vector<Value>{scores});
  for (const Value layer : layers) {
    const Shape& shape = graph.shape(layer);
    require(shape.rank() >= 2 && shape[0] == graph.shape(scores)[0], ErrorKind::usage,
            "layer \"{}\" is {}: it has no units", graph.node(layer).name, to_string(shape));
    require(used[static_cast<size_t>(layer.node)], ErrorKind::usage, "the class scores do not depend on layer \"{}\"",
            graph.node(layer).name);
    units_.push_back(shape[1]);
  }
  // One where the row's greatest score is: each picture asks for its own class.
  const Value best = reduce(graph, scores, {.kind = "max", .axes = {1}, .keep = true});
  const Value seed = cast(graph, equal(graph, scores, best), graph.dtype(scores));
  const std::vector<Value> gradients = gradient(graph, scores, layers, {}, seed);
  std::vector<Value> wants = {scores};
  for (size_t i = 0; i < layers.size(); ++i)
    wants.push_back(over_positions(graph, mul(graph, layers[i], gradients[i])));
  sums_.resize(layers.size());
  program_ = compile(graph, wants, model.weights, backend, options);
}

void ClassUse::add(const Tensor& pictures, int64_t count) {
  const std::vector<Tensor> values = program_.run({{input_, pictures}});
  require(count >= 0 && count <= values[0].size(0), ErrorKind::usage, "{} pictures in a batch of {}", count,
          values[0].size(0));
  const float* scores = values[0].data<float>().data();
  for (int64_t n = 0; n < count; ++n) {
    const int64_t label = best_of(scores + n * classes_, classes_);
    ++counted_[label];
    for (size_t layer = 0; layer < sums_.size(); ++layer) {
      std::vector<double>& sums = sums_[layer][label];
      sums.resize(static_cast<size_t>(units_[layer]));
      const float* own = values[layer + 1].data<float>().data() + n * units_[layer];
      for (size_t u = 0; u < sums.size(); ++u) sums[u] += static_cast<double>(own[u]);
    }
  }
}

int64_t ClassUse::pictures(int64_t label) const {
  const auto found = counted_.find(label);
  return found == counted_.end() ? 0 : found->second;
}

std::vector<ClassShare> ClassUse::shares(size_t layer, int64_t unit) const {
  require(layer < sums_.size() && unit >= 0 && unit < units_[layer], ErrorKind::usage,
          "there is no unit {} of layer {}", unit, layer);
  std::vector<ClassShare> result;
  for (const auto& [label, sums] : sums_[layer])
    result.push_back({label, sums[static_cast<size_t>(unit)] / static_cast<double>(counted_.at(label))});
  std::stable_sort(result.begin(), result.end(),
                   [](const ClassShare& a, const ClassShare& b) { return a.share > b.share; });
  return result;
}

}  // namespace fovea
