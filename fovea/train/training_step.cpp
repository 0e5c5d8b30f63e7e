#include "fovea/train/training_step.h"

#include <algorithm>
#include <utility>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/model/heads.h"
#include "fovea/ops/input.h"
#include "fovea/train/freezing.h"
#include "fovea/train/micro_batches.h"
#include "fovea/train/stochastic_depth.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/respecialise.h"
#include "fovea/transform/training_mode.h"

namespace fovea {

namespace {

// The parameters that gradients change: all but the running statistics and what is frozen.
std::vector<Value> trainable(const Graph& graph, const std::vector<RunningStatistic>& statistics,
                             const std::vector<std::string>& never, const Frozen& frozen) {
  std::vector<Value> result;
  for (const Value p : graph.parameters()) {
    const std::string& name = graph.node(p).name;
    bool fixed = frozen.parameters.contains(name) || std::find(never.begin(), never.end(), name) != never.end();
    for (const RunningStatistic& s : statistics) fixed |= s.current == p;
    const DType dtype = graph.dtype(p);
    if (!fixed && (dtype == DType::f32 || dtype == DType::f64)) result.push_back(p);
  }
  require(!result.empty(), ErrorKind::usage, "nothing is left to train: everything is frozen");
  return result;
}

// Running statistics of batch norms that stay as at inference: no parameters to train either.
std::vector<std::string> frozen_statistics(const Graph& graph, const Frozen& frozen) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (!frozen.norms.contains(node.name)) continue;
    for (size_t k = 3; k < node.inputs.size(); ++k)
      if (node.inputs[k]) names.push_back(graph.node(node.inputs[k]).name);
  }
  return names;
}

// What the loss is made from: the scores and the auxiliary classifiers.
std::vector<Value> wanted(const Graph& graph, const std::string& scores) {
  const std::vector<std::string> heads = auxiliary_outputs(graph);
  std::vector<Value> wants;
  for (const NamedValue& output : graph.outputs)
    if (output.name == scores || std::find(heads.begin(), heads.end(), output.name) != heads.end())
      wants.push_back(output.value);
  return wants;
}

// The model's graph for so many pictures.
Graph for_batch(const Model& model, int64_t count) {
  require(!model.meaning.scores.empty(), ErrorKind::usage, "{} has no output of scores, so it cannot be trained",
          model.meaning.name);
  const int picture = model.graph.find(model.meaning.input);
  require(picture >= 0, ErrorKind::usage, "{} has no input \"{}\"", model.meaning.name, model.meaning.input);
  Type type = model.graph.type({picture, 0});
  type.shape[0] = count;
  return respecialise(model.graph, {{model.meaning.input, type}});
}

// The paths that a recipe drops, as gates.
Graph with_gates(Graph graph, const std::string& scores, const Recipe& recipe, TrainingStep& step) {
  if (recipe.stochastic_depth.kind != "none") {
    step.branches = droppable_branches(graph, recipe.stochastic_depth);
    graph = gate_branches(graph, wanted(graph, scores), step.branches).graph;
  }
  if (recipe.drop_path.kind != "none") {
    step.paths = fractal_paths(graph);
    draw_paths(*step.paths, recipe.drop_path, Rng());  // throws what the settings deserve
    DroppingGraph dropping = drop_paths(graph, wanted(graph, scores), step.paths->joins);
    step.path_plan = std::move(dropping.plan);
    graph = std::move(dropping.rewritten.graph);
  }
  return graph;
}

std::vector<Carry> joined(std::vector<Carry> first, const std::vector<Carry>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// Appends the update to the step's graph, and says what is carried.
void add_update(TrainingStep& step, const std::vector<Value>& parameters,
                const std::vector<RunningStatistic>& statistics) {
  Graph& graph = step.graph;
  const Recipe& recipe = step.recipe;
  std::vector<Carry> sums, running, updates;
  for (const RunningStatistic& s : statistics) running.push_back({s.next, s.current});
  // A step whose loss is not finite changes neither weights nor statistics.
  running = unless_diverged(graph, running, step.total);
  if (recipe.optimiser.kind == "lbfgs") {
    for (const Value p : parameters) updates.push_back({p, p});
    step.carry = joined(std::move(updates), running);
    return;
  }
  const bool in_parts = recipe.micro_batches > 1;
  if (in_parts) step.gradients = added_up(graph, parameters, step.gradients, sums);
  updates = optimise(graph, parameters, step.gradients, recipe.optimiser, step.total);
  if (recipe.lookahead.every > 0) {
    // Statistics that every part renews have no slow copy.
    if (!in_parts) updates = joined(std::move(updates), std::exchange(running, {}));
    updates = lookahead(graph, updates, step.total);
  }
  std::vector<Carry> averages;
  if (recipe.average > 0) averages = moving_average(graph, joined(updates, running), recipe.average, step.total);
  if (in_parts) {
    updates = after_last_part(graph, updates);
    averages = after_last_part(graph, averages);
  }
  step.carry = joined(joined(joined(std::move(updates), running), averages), sums);
}

}  // namespace

TrainingStep training_step(const Model& model, const Recipe& recipe, const DataParallel& parallel) {
  require(recipe.batch > 0 && recipe.micro_batches > 0 && recipe.batch % recipe.micro_batches == 0, ErrorKind::usage,
          "a batch of {} cannot be cut into {} equal parts", recipe.batch, recipe.micro_batches);
  const int64_t count = samples_of_share(recipe.batch / recipe.micro_batches, parallel);
  const std::string& scores = model.meaning.scores;
  const Frozen frozen = frozen_by(model, recipe.freeze);
  TrainingStep step;
  step.recipe = recipe;
  step.frozen = frozen.parameters.size();
  step.picture = model.meaning.input;
  step.labels = "labels";
  const Graph whole = with_gates(for_batch(model, count), scores, recipe, step);
  const std::vector<std::string> never = frozen_statistics(whole, frozen);
  TrainingGraph training = training_mode(whole, wanted(whole, scores),
                                         {.momentum = recipe.batch_norm_momentum,
                                          .frozen = frozen.norms,
                                          .ranks = parallel.synchronised_batch_norm ? parallel.ranks : 1});
  step.dropout = static_cast<bool>(training.dropout_key);
  Graph& graph = step.graph = std::move(training.graph);
  const Value labels = input(graph, step.labels, {DType::i64, {count}});
  std::vector<Head> heads = auxiliary_heads(graph);
  for (Head& head : heads) head.weight = recipe.head_weight;
  const NetworkLoss loss = network_loss(graph, scores, labels, recipe.loss, heads);
  const StepCounts counts = counted_over_ranks(graph, loss, error_count(graph, loss.logits, labels), parallel);
  step.loss = counts.loss;
  step.errors = counts.errors;
  step.total = counts.total;
  step.logits = loss.logits;
  const std::vector<Value> parameters = trainable(graph, training.statistics, never, frozen);
  for (const Value p : parameters) step.trained.push_back(graph.node(p).name);
  // Each part's mean weighs 1 / parts in the batch's.
  const double weight = recipe.optimiser.kind == "lbfgs" ? 1 : 1.0 / static_cast<double>(recipe.micro_batches);
  const Value seed = constant(graph, Tensor::full(graph.dtype(loss.total), graph.shape(loss.total), weight));
  step.gradients = averaged_gradients(graph, gradient(graph, loss.total, parameters, {}, seed), parallel);
  add_update(step, parameters, training.statistics);
  return step;
}

std::map<std::string, Tensor> TrainingStep::feeds(int64_t step, int64_t part, double rate, int64_t steps) const {
  std::map<std::string, Tensor> feeds;
  if (recipe.optimiser.kind != "lbfgs") {
    feeds = step_feeds(recipe.optimiser, step, rate);
    if (recipe.lookahead.every > 0)
      feeds["lookahead rate"] = Tensor::full(DType::f32, {}, lookahead_rate(recipe.lookahead, step, steps));
    if (recipe.micro_batches > 1) feeds.merge(part_feeds(part, recipe.micro_batches));
  }
  const auto number = static_cast<uint64_t>(step);
  const Rng rng(recipe.seed);
  if (dropout) {
    Rng own = rng.fork("dropout").fork(number);
    if (part > 0) own = own.fork(static_cast<uint64_t>(part));
    feeds["dropout key"] = Tensor::scalar(own.key());
  }
  if (!branches.empty()) feeds.merge(branch_feeds(branches, rng.fork("stochastic depth").fork(number)));
  if (paths)
    feeds.merge(path_feeds(path_plan, draw_paths(*paths, recipe.drop_path, rng.fork("drop-path").fork(number))));
  return feeds;
}

std::vector<std::string> TrainingStep::notes() const {
  std::vector<std::string> lines;
  if (!branches.empty())
    lines.push_back(fmt::format("stochastic depth: {:.2f} of {} residual blocks live in a step, on average",
                                expected_live(branches), branches.size()));
  if (paths)
    lines.push_back(fmt::format(
        "drop-path: {}, {} joins of up to {} columns{}", recipe.drop_path.kind, paths->joins.size(), paths->deepest,
        recipe.drop_path.kind == "global" ? std::string()
                                          : fmt::format(", rate {} where local", recipe.drop_path.rate)));
  if (frozen > 0) lines.push_back(fmt::format("frozen: {}; trained: {}", counted(frozen, "parameter"), trained.size()));
  if (recipe.lookahead.every > 0)
    lines.push_back(
        fmt::format("lookahead: weights return to their slow copies every {} updates; at the end {:g} of those stays",
                    recipe.lookahead.every, recipe.lookahead.decay));
  if (recipe.micro_batches > 1)
    lines.push_back(fmt::format("each batch of {} in {} parts of {}", recipe.batch, recipe.micro_batches,
                                recipe.batch / recipe.micro_batches));
  return lines;
}

Model trained_model(Model model, const Recipe& recipe) {
  return with_survival(without_heads(std::move(model)), recipe.stochastic_depth);
}

Weights starting_weights(const TrainingStep& step, const Weights& weights) {
  Weights start = weights;
  for (const Carry& carry : step.carry)
    for (const std::string_view copy : {"average of ", "slow copy of "}) {
      const std::string& name = step.graph.node(carry.to).name;
      if (!name.starts_with(copy)) continue;
      if (const auto found = weights.find(name.substr(copy.size())); found != weights.end())
        start[name] = found->second;
    }
  return start;
}

}  // namespace fovea
