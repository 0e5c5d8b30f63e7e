// Each optimiser against PyTorch, step by step; see tests/golden/optimisers/make.py.
#include "fovea/train/optimiser.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/train/descent.h"
#include "fovea/train/schedule.h"
#include "fovea/transform/gradient.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// The formula of the script, in [-1, 1).
Tensor formula(DType dtype, const std::string& name, const Shape& shape, double scale = 1) {
  const Formula u(name);
  Tensor t(dtype, shape);
  for (int64_t i = 0; i < t.count(); ++i) { t.set(i, (u(i) * 2 - 1) * scale); }
  return t;
}

struct Recipe {
  const char* name;
  double rate;
  OptimiserSettings settings;
  LookaheadSettings lookahead = {};
};

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> list = {
      {"sgd", 0.05, {.momentum = 0}},
      {"momentum", 0.05, {.weight_decay = 1e-3}},
      {"nesterov", 0.05, {.nesterov = true, .weight_decay = 1e-3}},
      {"adam", 0.01, {.kind = "adam", .weight_decay = 1e-3}},
      {"adamw", 0.01, {.kind = "adamw", .weight_decay = 1e-2}},
      {"rmsprop", 0.002, {.kind = "rmsprop"}},
      {"adagrad", 0.05, {.kind = "adagrad", .epsilon = 1e-10}},
      {"clipped", 0.05, {.clip_norm = 0.1}},
      {"lookahead", 0.05, {.nesterov = true}, {.every = 4}},
      {"biases", 0.05, {.weight_decay = 1e-2, .bias_factor = 8}},
  };
  return list;
}

struct Record {
  int64_t step;
  std::vector<double> values;  // the loss before the step, the sum of all weights after it, every 13th weight
};

std::vector<Record> golden(const std::string& recipe) {
  std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/optimisers/trajectories.txt");
  std::vector<Record> records;
  for (std::string text; std::getline(in, text);) {
    std::istringstream line(text);
    std::string name;
    Record r;
    line >> name >> r.step;
    for (double x; line >> x;) r.values.push_back(x);
    if (name == recipe) records.push_back(r);
  }
  return records;
}

struct Network {
  Graph graph;
  Value loss;
  std::vector<Value> weights;
  Weights start;

  explicit Network(DType dtype) {
    const Value x = input(graph, "x", {dtype, {8, 1, 6, 6}}), labels = input(graph, "labels", {DType::i64, {8}});
    const auto weight = [&](const std::string& name, const Shape& shape, double scale = 1) {
      weights.push_back(parameter(graph, name, {dtype, shape}));
      start[name] = formula(dtype, name, shape, scale);
      return weights.back();
    };
    const Value w = weight("conv.weight", {3, 1, 3, 3}), b = weight("conv.bias", {3});
    const Value h = flatten(graph, relu(graph, conv(graph, x, w, b)));
    const Value v = weight("fc.weight", {4, 48}, 0.3), c = weight("fc.bias", {4});
    const Value logits = gemm(graph, h, v, c, {.trans_b = true});
    loss = reduce(graph, softmax_cross_entropy(graph, logits, labels), {.kind = "mean"});
  }
};

std::vector<Record> trajectory(const Recipe& recipe, DType dtype, int64_t steps) {
  Network n(dtype);
  CompileOptions options;
  options.tune = false;
  options.carry = optimise(n.graph, n.weights, gradient(n.graph, n.loss, n.weights), recipe.settings);
  if (recipe.lookahead.every > 0) options.carry = lookahead(n.graph, options.carry);
  Descent descent(n.graph, {n.loss}, n.start, reference_backend(), options);
  for (const Value w : n.weights)
    if (const std::string& name = n.graph.node(w).name; recipe.lookahead.every > 0)
      descent.program().set_state("slow copy of " + name, n.start.at(name));
  std::vector<Record> records;
  Tensor labels(DType::i64, {8});
  for (int64_t i = 0; i < 8; ++i) labels.set(i, static_cast<double>(i % 4));
  double loss = 0;
  descent.observe([&](const DescentStep& s) { loss = s.watched[0].at(0); });
  for (int64_t step = 0; step < steps; ++step) {
    descent.run({}, step + 1, [&](int64_t at) {
      auto feeds = step_feeds(recipe.settings, at, recipe.rate, dtype);
      if (recipe.lookahead.every > 0)
        feeds["lookahead rate"] = Tensor::full(dtype, {}, lookahead_rate(recipe.lookahead, at, 50));
      feeds["x"] = formula(dtype, "x", {8, 1, 6, 6});
      feeds["labels"] = labels;
      return feeds;
    });
    Record r{step + 1, {loss, 0}};
    std::vector<double> all;
    for (const Value w : n.weights)
      for (const double x : descent.program().state(n.graph.node(w).name).to_doubles()) all.push_back(x);
    for (const double x : all) r.values[1] += x;
    for (size_t i = 0; i < all.size(); i += 13) r.values.push_back(all[i]);
    records.push_back(r);
  }
  return records;
}

void compare(DType dtype, int64_t steps, double tolerance) {
  for (const Recipe& recipe : recipes()) {
    const auto want = golden(recipe.name);
    ASSERT_EQ(want.size(), 3u) << recipe.name;
    const auto got = trajectory(recipe, dtype, steps);
    for (const Record& record : want) {
      if (record.step > steps) continue;
      const Record& mine = got[static_cast<size_t>(record.step - 1)];
      ASSERT_EQ(mine.values.size(), record.values.size());
      for (size_t i = 0; i < record.values.size(); ++i)
        EXPECT_NEAR(mine.values[i], record.values[i], tolerance * std::max(1.0, std::abs(record.values[i])))
            << recipe.name << " step " << record.step << " value " << i;
    }
  }
}

TEST(Optimiser, FiftyStepsInDoubleEqualPyTorch) { compare(DType::f64, 50, 1e-9); }

TEST(Optimiser, FiveStepsInSingleEqualPyTorch) { compare(DType::f32, 5, 1e-5); }

TEST(Optimiser, BiasesCanBeLeftOutOfTheDecay) {
  for (const char* kind : {"sgd", "adamw"}) {
    Network all(DType::f64), some(DType::f64);
    OptimiserSettings settings{.kind = kind, .weight_decay = 0.1};
    const auto first = [&](Network& n) {
      CompileOptions options;
      options.tune = false;
      options.carry = optimise(n.graph, n.weights, gradient(n.graph, n.loss, n.weights), settings);
      Descent descent(n.graph, {n.loss}, n.start, reference_backend(), options);
      descent.run({}, 1, [&](int64_t at) {
        auto feeds = step_feeds(settings, at, 0.1, DType::f64);
        feeds["x"] = formula(DType::f64, "x", {8, 1, 6, 6});
        feeds["labels"] = Tensor(DType::i64, {8});
        return feeds;
      });
      return std::pair{descent.program().state("fc.bias").at(0), descent.program().state("fc.weight").at(0)};
    };
    const auto [bias, weight] = first(all);
    settings.decay_all = false;
    const auto [bias_without, weight_without] = first(some);
    EXPECT_NEAR(bias_without - bias, 0.1 * 0.1 * all.start["fc.bias"].at(0), 1e-12) << kind;
    EXPECT_EQ(weight, weight_without) << kind;
  }
}

TEST(Lookahead, MeetsEveryFewUpdatesAndAtTheEnd) {
  const LookaheadSettings published{.every = 5};
  for (const int64_t step : {0, 3, 5, 98}) EXPECT_EQ(lookahead_rate(published, step, 103), -1) << step;
  EXPECT_NEAR(lookahead_rate(published, 4, 103), 1 - std::pow(0.95, 5) * std::pow(5 / 103.0, 3), 1e-15);
  EXPECT_NEAR(lookahead_rate(published, 99, 103), 1 - std::pow(0.95, 5) * std::pow(100 / 103.0, 3), 1e-15);
  EXPECT_EQ(lookahead_rate(published, 102, 103), 0);  // w ← s
  EXPECT_NEAR(lookahead_rate(published, 99, 100), 1 - std::pow(0.95, 5), 1e-15);
  const LookaheadSettings zhang{.every = 5, .decay = 0.5, .power = 0};
  EXPECT_EQ(lookahead_rate(zhang, 4, 1000), 0.5);
  EXPECT_EQ(lookahead_rate({}, 4, 5), -1);  // none
}

TEST(Optimiser, UnknownKindsAreRefused) {
  Network n(DType::f32);
  const auto g = gradient(n.graph, n.loss, n.weights);
  EXPECT_THROW(optimise(n.graph, n.weights, g, {.kind = "adan"}), Error);
}

TEST(Schedule, GoesAsPublished) {
  const ScheduleSettings cosine{.kind = "cosine", .rate = 0.4, .warm_up = 2};
  EXPECT_DOUBLE_EQ(rate_at(cosine, 1, 10), 0.2);
  EXPECT_DOUBLE_EQ(rate_at(cosine, 2, 10), 0.4);
  EXPECT_NEAR(rate_at(cosine, 6, 10), 0.2, 1e-12);
  EXPECT_NEAR(rate_at(cosine, 10, 10), 0, 1e-12);
  const ScheduleSettings steps{.kind = "multi_step", .rate = 0.1, .steps = {82, 123}};
  EXPECT_DOUBLE_EQ(rate_at(steps, 81.9, 164), 0.1);
  EXPECT_NEAR(rate_at(steps, 82, 164), 0.01, 1e-12);
  EXPECT_NEAR(rate_at(steps, 163, 164), 0.001, 1e-12);
  const ScheduleSettings period{.kind = "step", .rate = 1, .steps = {30}, .factor = 0.5};
  EXPECT_DOUBLE_EQ(rate_at(period, 65, 90), 0.25);
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=101, pct_start=0.3): at steps 0, 15, 29.999…, 100.
  const ScheduleSettings cycle{.kind = "one_cycle", .rate = 1};
  EXPECT_NEAR(rate_at(cycle, 0, 10), 0.04, 1e-12);
  EXPECT_NEAR(rate_at(cycle, 1.5, 10), 0.52, 1e-12);
  EXPECT_NEAR(rate_at(cycle, 3, 10), 1, 1e-12);
  EXPECT_NEAR(rate_at(cycle, 10, 10), 0.04 / 1e4, 1e-12);
  EXPECT_THROW(rate_at({.kind = "cosin"}, 0, 1), Error);
}

}  // namespace
}  // namespace fovea
