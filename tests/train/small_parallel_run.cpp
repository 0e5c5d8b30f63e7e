#include "tests/train/small_parallel_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/rng.h"
#include "fovea/model/initialise.h"
#include "fovea/model/model.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/train/data_parallel.h"
#include "fovea/train/training_step.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/training_mode.h"

namespace fovea::testing {

namespace {

constexpr int64_t kClasses = 5, kSide = 9;

Model small_network(const SmallRun& run, int64_t count) {
  Model model;
  Graph& g = model.graph;
  const auto weight = [&](const std::string& name, Shape shape) { return parameter(g, name, {run.dtype, shape}); };
  Value x = input(g, "image", {run.dtype, {count, 3, kSide, kSide}});
  int64_t channels = 3;
  for (const int64_t out : {6, 10}) {
    const std::string name = fmt::format("block{}", out);
    x = conv(g, x, weight(name + ".weight", {out, channels, 3, 3}), weight(name + ".bias", {out}), {.pad = 1});
    if (run.norm)
      x = batch_norm(g, x, weight(name + ".bn.weight", {out}), weight(name + ".bn.bias", {out}),
                     weight(name + ".bn.running_mean", {out}), weight(name + ".bn.running_var", {out}));
    x = relu(g, x);
    if (out == 6) x = max_pool(g, x, {.kernel = {2, 2}, .stride = {2, 2}});
    channels = out;
  }
  x = reshape(g, global_average_pool(g, x), Shape{-1, channels});
  x = gemm(g, x, weight("fc.weight", {kClasses, channels}), weight("fc.bias", {kClasses}), {.trans_b = true});
  g.outputs.push_back({"scores", x});
  model.meaning.name = "small";
  model.meaning.input = "image";
  model.meaning.scores = "scores";
  return model;
}

Tensor random_tensor(DType dtype, const Shape& shape, const std::string& key) {
  Tensor t(dtype, shape);
  const Rng rng = Rng(3).fork(key);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, rng.uniform_double(static_cast<uint64_t>(i)) * 2 - 1);
  return t;
}

Weights weights_of(const Graph& graph) {
  Weights weights;
  for (const Value p : graph.parameters()) {
    const std::string& name = graph.node(p).name;
    weights[name] = random_tensor(graph.dtype(p), graph.shape(p), name);
  }
  return weights;
}

// The samples [first, first + count) of the batch of a step.
std::map<std::string, Tensor> feeds_of(DType dtype, int64_t first, int64_t count, int step) {
  Tensor images(dtype, {count, 3, kSide, kSide});
  std::vector<int64_t> labels;
  const int64_t size = 3 * kSide * kSide;
  for (int64_t n = 0; n < count; ++n) {
    const Tensor one = random_tensor(dtype, {size}, fmt::format("sample {} of step {}", first + n, step));
    // Shares whose statistics differ, so that unsynchronised ones would be wrong.
    for (int64_t i = 0; i < size; ++i) images.set(n * size + i, one.at(i) + 0.3 * static_cast<double>(first + n));
    labels.push_back((first + n + step) % kClasses);
  }
  return {{"image", images}, {"labels", Tensor::ints(labels)}};
}

double largest(const Tensor& t) {
  double result = 0;
  for (int64_t i = 0; i < t.count(); ++i) result = std::max(result, std::abs(t.at(i)));
  return result;
}

double distance(const Tensor& a, const Tensor& b) {
  double result = 0;
  for (int64_t i = 0; i < a.count(); ++i) result = std::max(result, std::abs(a.at(i) - b.at(i)));
  return result;
}

}  // namespace

SmallResult small_gradients(const SmallRun& run, Group& group) {
  const DataParallel parallel{.ranks = group.size(), .synchronised_batch_norm = true, .bucket_bytes = run.bucket_bytes};
  const int64_t count = samples_of_share(run.batch, parallel);
  const Model model = small_network(run, count);
  const std::vector<Value> scores = {model.graph.outputs[0].value};
  TrainingGraph training = training_mode(model.graph, scores, {.ranks = parallel.ranks});
  Graph& g = training.graph;
  const Value labels = input(g, "labels", {DType::i64, {count}});
  const Value logits = g.outputs[0].value;
  const Value loss = classification_loss(g, logits, labels);
  std::vector<Value> parameters;
  SmallResult result;
  for (const Value p : g.parameters()) {
    if (g.node(p).name.find("running") != std::string::npos) continue;
    parameters.push_back(p);
    result.names.push_back(g.node(p).name);
  }
  const Value errors = error_count(g, logits, labels);
  std::vector<Value> wants = averaged_gradients(g, gradient(g, loss, parameters), parallel);
  for (const RunningStatistic& s : training.statistics) wants.push_back(s.next);
  const StepCounts counts = counted_over_ranks(g, {.total = loss, .main = loss, .logits = logits}, errors, parallel);
  wants.push_back(counts.loss);
  wants.push_back(counts.errors);
  verify(g);
  CompileOptions options;
  options.tune = false;
  options.group = &group;
  const auto cpu = cpu_backend();
  Backend& backend = run.dtype == DType::f64 ? reference_backend() : *cpu;
  Program program = compile(g, wants, weights_of(g), backend, options);
  std::vector<Tensor> values;
  for (int repeat = 0; repeat < 2; ++repeat)  // a program must be able to do it again
    values = program.run(feeds_of(run.dtype, group.rank() * count, count, 0));
  result.gradients.assign(values.begin(), values.begin() + static_cast<int64_t>(parameters.size()));
  result.statistics.assign(values.begin() + static_cast<int64_t>(parameters.size()), values.end() - 2);
  result.loss = values[values.size() - 2].at(0);
  result.errors = values.back().at(0);
  for (const StepInfo& step : program.steps()) result.steps.push_back(step.name);
  return result;
}

// Tolerance: a value passes through fewer than 40 sums one after the other (6 layers forward and backward, 4 statistics
// each with two sums), each of at most batch · 9 · 9 · 6 < 4096 products; a sum of n terms done in another order moves
// by at most n ε Σ|terms|, so a value by 40 · 4096 ε of the largest magnitude of its tensor, times 16 for the ratio
// Σ|terms| / |sum| of these random data (largest measured: 9).
std::string difference_to_one_rank(const SmallRun& run, Group& group) {
  const SmallResult ours = small_gradients(run, group);
  const auto alone = single_group();
  const SmallResult whole = small_gradients(run, *alone);
  const double epsilon =
      run.dtype == DType::f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  const double bound = 40 * 4096 * 16 * epsilon;
  for (size_t i = 0; i < whole.names.size(); ++i) {
    const double off = distance(ours.gradients[i], whole.gradients[i]), size = largest(whole.gradients[i]);
    // The gradient of a bias before a batch norm is zero but for rounding.
    if (off > bound * std::max(size, 1e-2))
      return fmt::format("the gradient of {} is off by {:.3g} of {:.3g}", whole.names[i], off, size);
    const std::string& name = whole.names[i];
    const bool cancelled =
        run.norm && name.starts_with("block") && name.ends_with(".bias") && !name.ends_with("bn.bias");
    if (size < 1e-6 && !cancelled) return fmt::format("the gradient of {} is nothing", name);
  }
  for (size_t i = 0; i < whole.statistics.size(); ++i)
    if (distance(ours.statistics[i], whole.statistics[i]) > bound * largest(whole.statistics[i]))
      return fmt::format("statistic {} is off by {:.3g}", i, distance(ours.statistics[i], whole.statistics[i]));
  if (std::abs(ours.loss - whole.loss) > bound) return fmt::format("loss {} instead of {}", ours.loss, whole.loss);
  if (ours.errors != whole.errors) return fmt::format("{} errors instead of {}", ours.errors, whole.errors);
  return "";
}

namespace {

Weights trained(int steps, Group& group) {
  const SmallRun run{.dtype = DType::f32};
  Recipe recipe;
  recipe.batch = run.batch;
  const Model model = small_network(run, run.batch);
  const DataParallel parallel{.ranks = group.size(), .synchronised_batch_norm = true, .bucket_bytes = run.bucket_bytes};
  const TrainingStep step = training_step(model, recipe, parallel);
  CompileOptions options;
  options.carry = step.carry;
  options.tune = false;
  options.group = &group;
  const auto backend = cpu_backend();
  const std::vector<Value> wants = {step.loss, step.errors};
  Weights start = starting_weights(step, weights_of(model.graph));
  if (group.rank() > 0)  // broadcast_states has to mend it
    for (auto& [name, value] : start) value.set(0, 5);
  Program program = compile(step.graph, wants, start, *backend, options);
  broadcast_states(program, group);
  const int64_t count = samples_of_share(run.batch, parallel);
  for (int s = 0; s < steps; ++s) {
    std::map<std::string, Tensor> feeds = step.feeds(s, 0.05);
    own_masks(feeds, group);
    for (auto& [name, value] : feeds_of(DType::f32, group.rank() * count, count, s)) feeds[name] = value;
    program.run(feeds);
  }
  check_states_agree(program, group);
  Weights result;
  for (const std::string& name : program.state_names()) result[name] = program.state(name);
  return result;
}

}  // namespace

std::string trained_difference_to_one_rank(int steps, Group& group) {
  const Weights ours = trained(steps, group);
  const auto alone = single_group();
  const Weights whole = trained(steps, *alone);
  // Three steps of 0.05 each add at most rate · (the bound above) · |gradient| (below 10 here) to each weight.
  const double bound = steps * 0.05 * 10 * 40 * 4096 * std::numeric_limits<float>::epsilon();
  for (const auto& [name, value] : whole)
    if (distance(value, ours.at(name)) > bound)
      return fmt::format("{} is off by {:.3g}", name, distance(value, ours.at(name)));
  return "";
}

}  // namespace fovea::testing
