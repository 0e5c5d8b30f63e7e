// ‖x‖ of a layer = √(Σ over its parameters of Σ x²)
#include "fovea/train/norms.h"

#include "fovea/base/error.h"
#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sqrt.h"

namespace fovea {

namespace {

struct Layer {
  std::string name;
  std::vector<size_t> parameters;  // indices into TrainingStep::trained
};

std::vector<Layer> layers_of(const std::vector<std::string>& parameters) {
  std::vector<Layer> layers;
  std::map<std::string, size_t> numbers;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = layer_of_parameter(parameters[i]);
    const auto [found, added] = numbers.emplace(name, layers.size());
    if (added) layers.push_back({name, {}});
    layers[found->second].parameters.push_back(i);
  }
  return layers;
}

}  // namespace

std::string layer_of_parameter(std::string_view name) {
  const size_t dot = name.rfind('.');
  return std::string(dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot));
}

Value append_norms(TrainingStep& step) {
  require(step.gradients.size() == step.trained.size() && !step.trained.empty(), ErrorKind::usage,
          "norms of a step that trains {} parameters and has {} gradients", step.trained.size(), step.gradients.size());
  Graph& graph = step.graph;
  const std::vector<Layer> layers = layers_of(step.trained);
  const Value open = input(graph, kNormsGate, {DType::boolean, {}});
  const auto norm_of = [&](const Layer& layer, const auto& value_of) {
    Value sum;
    for (const size_t i : layer.parameters) {
      const Value value = value_of(i);
      const Value square = reduce(graph, mul(graph, value, value));
      sum = sum ? add(graph, sum, square) : square;
    }
    return reshape(graph, sqrt(graph, sum), Shape{1, 1});
  };
  const auto row_of = [&](const auto& value_of) {
    std::vector<Value> norms;
    for (const Layer& layer : layers) norms.push_back(norm_of(layer, value_of));
    return concat(graph, norms, 1);
  };
  const Value weights = row_of([&](size_t i) { return Value{graph.find(step.trained[i]), 0}; });
  const Value gradients = row_of([&](size_t i) { return step.gradients[i]; });
  return gate(graph, concat(graph, {weights, gradients}, 0), open);
}

std::map<std::string, Tensor> norms_feed(bool wanted) { return {{kNormsGate, Tensor::scalar(wanted)}}; }

std::vector<LayerNorms> layer_norms(const TrainingStep& step, const Tensor& norms) {
  const std::vector<Layer> layers = layers_of(step.trained);
  const auto count = static_cast<int64_t>(layers.size());
  require(norms.shape() == Shape{2, count}, ErrorKind::shape, "norms of {} layers: expected [2,{}], got {}", count,
          count, to_string(norms.shape()));
  std::vector<LayerNorms> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back({layers[static_cast<size_t>(i)].name, norms.at(i), norms.at(count + i)});
  return result;
}

}  // namespace fovea
