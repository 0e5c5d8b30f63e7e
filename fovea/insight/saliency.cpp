#include "fovea/insight/saliency.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/rng.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/input.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

constexpr const char* kSeed = "saliency_seed";

// The scores before a softmax: probabilities saturate, scores do not.
Value before_softmax(const Graph& graph, Value scores) {
  Value v = scores;
  while (v) {
    const Node& node = graph.node(v);
    if (node.op->name == "softmax" && graph.shape(node.inputs[0]).count() == graph.shape(scores).count())
      return node.inputs[0];
    const bool passes = node.op->name == "reshape" || node.op->name == "flatten" || node.op->name == "squeeze" ||
                        node.op->name == "identity";
    if (!passes || node.inputs.empty()) break;
    v = node.inputs[0];
  }
  return scores;
}

}  // namespace

Saliency::Saliency(const Model& model, Backend& backend, const CompileOptions& options) {
  Graph graph = model.graph;
  const Value image = picture_input(model);
  const Value scores = before_softmax(graph, scores_output(model));
  input_name_ = graph.node(image).name;
  scores_ = graph.type(scores);
  const Value seed = fovea::input(graph, kSeed, scores_);
  const std::vector<Value> wanted = gradient(graph, scores, std::vector<Value>{image}, {}, seed);
  program_ = compile(graph, wanted, model.weights, backend, options);
}

std::vector<float> Saliency::operator()(const Tensor& input, int64_t label, const Context& context,
                                        const SaliencyOptions& options) {
  Tensor seed(scores_.dtype, scores_.shape);
  require(label >= 0 && label < seed.count(), ErrorKind::usage, "there is no class {}", label);
  seed.set(label, 1);
  const int64_t channels = input.size(1), plane = input.size(2) * input.size(3);
  const auto pixels = input.data<float>();
  const auto [low, high] = std::minmax_element(pixels.begin(), pixels.end());
  const double sigma = options.samples > 1 ? options.noise * (*high - *low) : 0;
  std::vector<float> map(static_cast<size_t>(plane), 0.0f);
  const Rng rng = Rng(context.seed).fork("saliency");
  for (int64_t s = 0; s < options.samples; ++s) {
    if (context.cancelled()) break;
    Tensor noisy = input;
    if (sigma > 0) {
      const Rng own = rng.fork(static_cast<uint64_t>(s));
      auto data = noisy.data<float>();
      for (size_t i = 0; i < data.size(); ++i) data[i] += static_cast<float>(sigma * own.normal(i));
    }
    const Tensor g = program_.run({{input_name_, noisy}, {kSeed, seed}})[0];
    const float* d = g.data<float>().data();
    for (int64_t p = 0; p < plane; ++p) {
      float most = 0;
      for (int64_t c = 0; c < channels; ++c) most = std::max(most, std::abs(d[c * plane + p]));
      map[static_cast<size_t>(p)] += most / static_cast<float>(options.samples);
    }
  }
  return map;
}

}  // namespace fovea
