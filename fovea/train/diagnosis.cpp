#include "fovea/train/diagnosis.h"

#include <fmt/format.h>

#include <cmath>

#include "fovea/ops/abs.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"

namespace fovea {

namespace {

struct Layer {
  std::string name;
  double size = 0;  // mean magnitude of its values
};

bool numbers(const Tensor& tensor) {
  for (int64_t i = 0; i < tensor.shape().count(); ++i)
    if (!std::isfinite(tensor.at(i))) return false;
  return true;
}

// The mean magnitude of every floating-point value on the way to the loss.
std::vector<Layer> magnitudes(const TrainingStep& step, const Weights& start,
                              const std::map<std::string, Tensor>& feeds, Backend& backend) {
  Graph graph = step.graph;
  std::vector<Value> wants;
  std::vector<Layer> layers;
  for (int n = 0; n <= step.logits.node; ++n) {
    const Node& node = step.graph.node(n);
    if (node.op == &ops::input || node.op == &ops::parameter) continue;
    if (node.outputs[0].dtype != DType::f32 && node.outputs[0].dtype != DType::f64) continue;
    if (node.outputs[0].shape.count() == 0 || node.name.empty()) continue;
    layers.push_back({node.name});
    wants.push_back(reduce(graph, abs(graph, {n, 0}), {.kind = "mean"}));
  }
  if (wants.empty()) return layers;
  Program program = compile(graph, wants, start, backend, {.tune = false});
  std::map<std::string, Tensor> known;  // what the forward pass does not read may be anything
  for (const Value v : graph.inputs()) {
    const auto found = feeds.find(graph.node(v).name);
    known[graph.node(v).name] = found != feeds.end() ? found->second : Tensor(graph.dtype(v), graph.shape(v));
  }
  const std::vector<Tensor> sizes = program.run(known);
  for (size_t i = 0; i < layers.size(); ++i) layers[i].size = sizes[i].at(0);
  return layers;
}

std::string culprit(const TrainingStep& step, const Weights& start, const std::map<std::string, Tensor>& feeds,
                    Backend& backend) {
  if (const auto picture = feeds.find(step.picture); picture != feeds.end() && !numbers(picture->second))
    return "the batch itself has values that are no numbers";
  for (const Value p : step.graph.parameters()) {
    const std::string& name = step.graph.node(p).name;
    if (const auto found = start.find(name); found != start.end() && !numbers(found->second))
      return fmt::format("the weights {} are no numbers any more", name);
  }
  Layer largest;
  for (const Layer& layer : magnitudes(step, start, feeds, backend)) {
    if (!std::isfinite(layer.size)) return fmt::format("the values of {} are no numbers", layer.name);
    if (layer.size > largest.size) largest = layer;
  }
  return fmt::format("the largest values are those of {}, {:.3g} on average", largest.name, largest.size);
}

}  // namespace

std::string divergence_message(const TrainingStep& step, const Weights& weights, const Weights& states,
                               const std::map<std::string, Tensor>& feeds, Backend& backend, const BadStep& bad) {
  Weights start = weights;
  for (const auto& [name, value] : states) start[name] = value;
  const std::string what =
      !bad.what.empty() ? bad.what
      : std::isfinite(bad.loss)
          ? fmt::format("the loss has grown to {:.4g} (it was {:.4g} at first)", bad.loss, bad.first_loss)
          : std::string("the loss is no number");
  const std::string clip =
      step.recipe.optimiser.clip_norm > 0 ? "" : ", gradient clipping (--set optimiser.clip_norm=1)";
  const std::string warm = step.recipe.schedule.warm_up > 0 ? "" : ", a warm-up (--set schedule.warm_up=1)";
  return fmt::format(
      "training diverged at step {}: {}; {}. Try a lower learning rate (it was {:.3g}; --rate {:.3g})"
      "{}{}, and look at the data's range",
      bad.step, what, culprit(step, start, feeds, backend), bad.rate, step.recipe.schedule.rate / 10, clip, warm);
}

}  // namespace fovea
