#include "fovea/train/training_step.h"

#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/ops/input.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/respecialise.h"
#include "fovea/transform/training_mode.h"

namespace fovea {

namespace {

// The parameters that gradients change: all but the running statistics.
std::vector<Value> trainable(const Graph& graph, const std::vector<RunningStatistic>& statistics) {
  std::vector<Value> result;
  for (const Value p : graph.parameters()) {
    bool running = false;
    for (const RunningStatistic& s : statistics) running |= s.current == p;
    const DType dtype = graph.dtype(p);
    if (!running && (dtype == DType::f32 || dtype == DType::f64)) result.push_back(p);
  }
  return result;
}

}  // namespace

TrainingStep training_step(const Model& model, const Recipe& recipe) {
  require(!model.meaning.scores.empty(), ErrorKind::usage, "{} has no output of scores, so it cannot be trained",
          model.meaning.name);
  const int64_t count = recipe.batch / recipe.micro_batches;
  const int picture = model.graph.find(model.meaning.input);
  require(picture >= 0, ErrorKind::usage, "{} has no input \"{}\"", model.meaning.name, model.meaning.input);
  Type type = model.graph.type({picture, 0});
  type.shape[0] = count;
  const Graph whole = respecialise(model.graph, {{model.meaning.input, type}});
  std::vector<Value> wants;
  for (const NamedValue& output : whole.outputs) wants.push_back(output.value);
  TrainingGraph training = training_mode(whole, wants, {.momentum = recipe.batch_norm_momentum});

  TrainingStep step;
  step.recipe = recipe;
  step.picture = model.meaning.input;
  step.labels = "labels";
  step.dropout = static_cast<bool>(training.dropout_key);
  Graph& graph = step.graph = std::move(training.graph);
  const Value labels = input(graph, step.labels, {DType::i64, {count}});
  std::vector<Head> heads = auxiliary_heads(graph);
  for (Head& head : heads) head.weight = recipe.head_weight;
  const NetworkLoss loss = network_loss(graph, model.meaning.scores, labels, recipe.loss, heads);
  step.loss = loss.main;
  step.total = loss.total;
  step.logits = loss.logits;
  step.errors = error_count(graph, loss.logits, labels);
  const std::vector<Value> parameters = trainable(graph, training.statistics);
  for (const Value p : parameters) step.trained.push_back(graph.node(p).name);
  const std::vector<Value> gradients = gradient(graph, loss.total, parameters);
  // A step whose loss is not finite changes neither weights nor statistics.
  step.carry = optimise(graph, parameters, gradients, recipe.optimiser, loss.total);
  std::vector<Carry> statistics;
  for (const RunningStatistic& s : training.statistics) statistics.push_back({s.next, s.current});
  for (const Carry& carry : unless_diverged(graph, statistics, loss.total)) step.carry.push_back(carry);
  if (recipe.average > 0)
    for (const Carry& average : moving_average(graph, step.carry, recipe.average, loss.total))
      step.carry.push_back(average);
  return step;
}

std::map<std::string, Tensor> TrainingStep::feeds(int64_t step, double rate) const {
  std::map<std::string, Tensor> feeds = step_feeds(recipe.optimiser, step, rate);
  if (dropout)
    feeds["dropout key"] = Tensor::scalar(Rng(recipe.seed).fork("dropout").fork(static_cast<uint64_t>(step)).key());
  return feeds;
}

Weights starting_weights(const TrainingStep& step, const Weights& weights) {
  Weights start = weights;
  constexpr std::string_view kAverage = "average of ";
  for (const Carry& carry : step.carry) {
    const std::string& name = step.graph.node(carry.to).name;
    if (!name.starts_with(kAverage)) continue;
    if (const auto found = weights.find(name.substr(kAverage.size())); found != weights.end())
      start[name] = found->second;
  }
  return start;
}

}  // namespace fovea
