// Compiled training steps: carried weights in the backend's layouts, updates in place, the plan as data, and the same
// bits from the same plan.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/train/optimiser.h"
#include "fovea/transform/gradient.h"

namespace fovea {
namespace {

Tensor random(const Shape& shape, uint64_t key, double scale = 1) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, scale * (Rng(key).uniform_double(static_cast<uint64_t>(i)) * 2 - 1));
  return t;
}

// 3×3 convolutions, wide enough for Winograd and for blocked weights, one with outputs that fill no block.
struct Training {
  Graph graph;
  Value loss;
  std::vector<Value> weights;
  Weights start;
  CompileOptions options;
  OptimiserSettings settings;

  explicit Training(OptimiserSettings chosen = {.weight_decay = 1e-3}) : settings(std::move(chosen)) {
    Graph& g = graph;
    const Value x = input(g, "x", {DType::f32, {8, 3, 12, 12}}), labels = input(g, "labels", {DType::i64, {8}});
    const auto weight = [&](const std::string& name, const Shape& shape, double scale) {
      weights.push_back(parameter(g, name, {DType::f32, shape}));
      start[name] = random(shape, weights.size(), scale);
      return weights.back();
    };
    Value y = relu(g, conv(g, x, weight("w1", {32, 3, 3, 3}, 0.3), weight("b1", {32}, 0.1), {.pad = 1}));
    y = conv(g, y, weight("w2", {64, 32, 3, 3}, 0.1), {}, {.pad = 1});
    y = relu(g, batch_norm_training(g, y, weight("scale", {64}, 1), weight("shift", {64}, 0.1), {}));
    y = relu(g, conv(g, y, weight("w3", {40, 64, 3, 3}, 0.1), weight("b3", {40}, 0.1), {.stride = 2, .pad = 1}));
    y = flatten(g, global_average_pool(g, y));
    const Value logits = gemm(g, y, weight("fc", {10, 40}, 0.3), weight("fc.bias", {10}, 0.1), {.trans_b = true});
    loss = reduce(g, softmax_cross_entropy(g, logits, labels), {.kind = "mean"});
    options.carry = optimise(g, weights, gradient(g, loss, weights), settings, loss);
    options.tune = false;
  }

  std::map<std::string, Tensor> feeds(int64_t step) const {
    auto result = step_feeds(settings, step, 0.05);
    result["x"] = random({8, 3, 12, 12}, 100 + static_cast<uint64_t>(step));
    Tensor labels(DType::i64, {8});
    for (int64_t i = 0; i < 8; ++i) labels.set(i, static_cast<double>((i + step) % 10));
    result["labels"] = labels;
    return result;
  }
  Program compiled(Backend& backend) const { return compile(graph, std::vector{loss}, start, backend, options); }
  std::map<std::string, Tensor> after(Program& program, int64_t steps) const {
    for (int64_t step = 0; step < steps; ++step) program.run(feeds(step));
    std::map<std::string, Tensor> states;
    for (const std::string& name : program.state_names()) states[name] = program.state(name);
    return states;
  }
};

void expect_close(const std::map<std::string, Tensor>& got, const std::map<std::string, Tensor>& want, double most) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, tensor] : want) {
    double scale = 1e-3;
    for (int64_t i = 0; i < tensor.count(); ++i) scale = std::max(scale, std::abs(tensor.at(i)));
    for (int64_t i = 0; i < tensor.count(); ++i)
      ASSERT_NEAR(got.at(name).at(i), tensor.at(i), most * scale) << name << " element " << i;
  }
}

void expect_same(const std::map<std::string, Tensor>& got, const std::map<std::string, Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, tensor] : want) EXPECT_TRUE(got.at(name).same_bits(tensor)) << name;
}

int copies(const Program& program) {
  int count = 0;
  for (const StepInfo& step : program.steps()) count += step.op == "copy";
  return count;
}

class Optimisers : public ::testing::TestWithParam<OptimiserSettings> {};

// Batch norm's gradient cancels large sums, and Adam divides by small roots: single precision leaves 1e-3 after steps.
TEST_P(Optimisers, TrainAsOnTheReferenceWithoutCopies) {
  const Training t(GetParam());
  const auto cpu = cpu_backend();
  Program fast = t.compiled(*cpu), slow = t.compiled(reference_backend());
  EXPECT_EQ(copies(fast), 0);
  const double most = t.settings.kind == "sgd" ? 1e-4 : 2e-2;
  expect_close(t.after(fast, 3), t.after(slow, 3), most);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Optimisers,
                         ::testing::Values(OptimiserSettings{.momentum = 0}, OptimiserSettings{.weight_decay = 1e-2},
                                           OptimiserSettings{.nesterov = true, .clip_norm = 0.5},
                                           OptimiserSettings{.kind = "adamw", .epsilon = 1e-3, .weight_decay = 1e-2},
                                           OptimiserSettings{.kind = "rmsprop", .epsilon = 1e-3}),
                         [](const auto& kind) { return kind.param.kind + std::to_string(kind.index); });

TEST(TrainingProgram, StatesGoInAndOutOfTheirLayouts) {
  const Training t;
  const auto cpu = cpu_backend();
  Program program = t.compiled(*cpu);
  for (const auto& [name, tensor] : t.start) EXPECT_TRUE(program.state(name).same_bits(tensor)) << name;
  for (const std::string& name : program.state_names()) {
    const Tensor value = random(program.state(name).shape(), 77);
    program.set_state(name, value);
    EXPECT_TRUE(program.state(name).same_bits(value)) << name;
  }
  // Two programs continue alike, whichever way the states came.
  Program first = t.compiled(*cpu), second = t.compiled(*cpu);
  t.after(first, 3);
  for (const std::string& name : first.state_names()) second.set_state(name, first.state(name));
  first.run(t.feeds(3));
  second.run(t.feeds(3));
  for (const std::string& name : first.state_names())
    EXPECT_TRUE(first.state(name).same_bits(second.state(name))) << name;
}

TEST(TrainingProgram, WeightsLiveWhereTheirGradientsComeFrom) {
  const Training t;
  const auto cpu = cpu_backend();
  const Program program = t.compiled(*cpu);
  EXPECT_NE(program.plan().find("\nstate\t"), std::string::npos) << program.plan();
  for (const StepInfo& step : program.steps())
    EXPECT_FALSE(step.op == "reorder" && step.name.find("conv_weight_gradient") != std::string::npos)
        << step.name << " " << step.layouts;
}

TEST(TrainingProgram, ADivergedStepChangesNothing) {
  for (const double clip : {0.0, 1.0}) {
    const Training t({.weight_decay = 1e-3, .clip_norm = clip});
    const auto cpu = cpu_backend();
    for (Backend* backend : {cpu.get(), &reference_backend()}) {
      Program program = t.compiled(*backend);
      // In the last layer: ReLUs before it would hide it.
      t.after(program, 2);
      const Tensor bias = program.state("fc.bias");
      Tensor broken = bias;
      broken.set(3, std::nan(""));
      program.set_state("fc.bias", broken);
      std::map<std::string, Tensor> before;
      for (const std::string& name : program.state_names()) before[name] = program.state(name);
      EXPECT_TRUE(std::isnan(program.run(t.feeds(2))[0].at(0)));
      for (const auto& [name, tensor] : before) EXPECT_TRUE(program.state(name).same_bits(tensor)) << name;
      program.set_state("fc.bias", bias);
      // And the next step goes on from there.
      EXPECT_TRUE(std::isfinite(program.run(t.feeds(2))[0].at(0)));
    }
  }
}

TEST(TrainingProgram, TwoRunsGiveTheSameBits) {
  const int threads = thread_count();
  for (const int count : {1, 2}) {
    set_thread_count(count);
    const Training t;
    const auto cpu = cpu_backend();
    Program first = t.compiled(*cpu), second = t.compiled(*cpu);
    expect_same(t.after(first, 4), t.after(second, 4));
  }
  set_thread_count(threads);
}

// The text with another choice in it stands for a tuning cache that came out otherwise.
TEST(TrainingProgram, APlanIsFollowedWhateverTuningSays) {
  Training t;
  const auto cpu = cpu_backend();
  Program first = t.compiled(*cpu);
  const auto want = t.after(first, 3);
  t.options.tune = true;
  t.options.plan = first.plan();
  Program second = t.compiled(*cpu);
  EXPECT_EQ(second.plan(), first.plan());
  expect_same(t.after(second, 3), want);
  // And the other way round: what tuning chose is repeated without it.
  Training tuned;
  tuned.options.tune = true;
  Program third = tuned.compiled(*cpu);
  Training again;
  again.options.plan = third.plan();
  Program fourth = again.compiled(*cpu);
  EXPECT_EQ(fourth.plan(), third.plan());
  expect_same(again.after(fourth, 3), tuned.after(third, 3));
}

std::string refusal(const Training& t, Backend& backend) {
  try {
    t.compiled(backend);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

TEST(TrainingProgram, APlanThatCannotBeFollowedIsRefusedByName) {
  Training t;
  const auto cpu = cpu_backend();
  const std::string plan = t.compiled(*cpu).plan();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = plan;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    t.options.plan = changed.replace(at, from.size(), to);
    return refusal(t, *cpu);
  };
  EXPECT_NE(with("fovea update", "fovea uptade").find("uptade"), std::string::npos);
  EXPECT_NE(with("\tw2\n", "\tw9\n"), "");
  EXPECT_NE(with("threads", "thread").find("thread "), std::string::npos);
  EXPECT_NE(with("fovea plan 1", "fovea plan 0").find("begins with"), std::string::npos);
  EXPECT_NE(with("\nstep\t", "\nstop\t").find("line"), std::string::npos);
  t.options.plan = plan + "step\tx\ty\tanother node\n";
  EXPECT_NE(refusal(t, *cpu).find("another graph"), std::string::npos);
  const Training other({.kind = "adam"});
  Training mixed = other;
  mixed.options.plan = plan;
  EXPECT_NE(refusal(mixed, *cpu).find("plan"), std::string::npos);
}

}  // namespace
}  // namespace fovea
