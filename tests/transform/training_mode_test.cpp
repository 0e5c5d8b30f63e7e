// Networks in their training form: batch norms against PyTorch's train() (tests/golden/training_mode/make.py), dropout
// keys.
#include "fovea/transform/training_mode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/transform/gradient.h"
#include "tests/golden_text.h"

namespace fovea {
namespace {

using Tensors = std::map<std::string, Tensor>;

const Tensors& golden() {
  static const Tensors all = golden_text("training_mode", DType::f32);
  return all;
}

// The network of the golden data; every weight is a parameter of PyTorch's name.
struct Network {
  Graph graph;
  Value x, scores;
  std::vector<std::string> trained;  // names of what has a gradient

  Network() {
    x = input(graph, "input", {DType::f32, golden().at("input").shape()});
    Value y = conv(graph, x, weight("conv1.weight"), weight("conv1.bias"), {.stride = 2, .pad = 1});
    y = relu(graph, norm("bn1", y, 1e-5));
    y = norm("bn2", conv(graph, y, weight("conv2.weight"), {}, {.pad = 1}), 1e-3);
    y = norm("bn3", flatten(graph, y), 1e-5);
    const Value w = weight("fc.weight");
    scores = gemm(graph, y, w, weight("fc.bias"), {.trans_b = true});
    graph.outputs.push_back({"scores", scores});
  }

  Value statistic(const std::string& name) { return parameter(graph, name, {DType::f32, golden().at(name).shape()}); }
  Value weight(const std::string& name) {
    trained.push_back(name);
    return statistic(name);
  }
  Value norm(const std::string& name, Value v, double epsilon) {
    const Value scale = weight(name + ".weight"), bias = weight(name + ".bias");
    const Value mean = statistic(name + ".running_mean"), variance = statistic(name + ".running_var");
    v = batch_norm(graph, v, scale, bias, mean, variance, {.epsilon = epsilon});
    graph.rename(v.node, name);
    return v;
  }
};

// Computed in f32 over at most 140 values a channel and three norms: 1e-5 of the largest value (at least of 1).
void expect_close(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  double largest = 1, most = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::abs(want.at(i)));
    most = std::max(most, std::abs(got.at(i) - want.at(i)));
  }
  EXPECT_LE(most, 1e-5 * largest) << what;
}

// The training graph with the gradients of sum(scores · seed).
struct Step {
  TrainingGraph training;
  std::vector<Value> wants;        // scores, then gradients, then next statistics
  std::vector<std::string> names;  // of the golden tensors
  explicit Step(const TrainingMode& mode, const std::string& prefix = "") {
    const Network network;
    const Value scores[] = {network.scores};
    training = training_mode(network.graph, scores, mode);
    Graph& g = training.graph;
    const Value y = training.map(network.scores);
    const Value seed = input(g, "seed", {DType::f32, g.shape(y)});
    const Value loss = reduce(g, mul(g, y, seed));
    std::vector<Value> wrt = {training.map(network.x)};
    names = {prefix + "scores", prefix + "grad/input"};
    for (const std::string& name : network.trained) {
      wrt.push_back({g.find(name), 0});
      names.push_back(prefix + "grad/" + name);
    }
    wants = gradient(g, loss, wrt);
    wants.insert(wants.begin(), y);
    verify(g);
  }
  const std::string& name_of(const RunningStatistic& s) const { return training.graph.node(s.current).name; }
};

TEST(TrainingMode, AgreesWithPyTorch) {
  Step step({});
  ASSERT_EQ(step.training.statistics.size(), 6u);
  for (const RunningStatistic& s : step.training.statistics) {
    step.wants.push_back(s.next);
    step.names.push_back("after/1/" + step.name_of(s));
    EXPECT_EQ(step.training.graph.node(s.next).name, step.name_of(s) + ".next");
  }
  const auto values = evaluate(step.training.graph, golden(), step.wants);
  for (size_t k = 0; k < values.size(); ++k) expect_close(values[k], golden().at(step.names[k]), step.names[k]);
}

TEST(TrainingMode, StatisticsAreCarriedOnBothBackends) {
  const auto cpu = cpu_backend();
  for (Backend* backend : {&reference_backend(), static_cast<Backend*>(cpu.get())}) {
    SCOPED_TRACE(std::string(backend->name()));
    const Step step({});
    CompileOptions options;
    options.tune = false;
    for (const RunningStatistic& s : step.training.statistics) options.carry.push_back({s.next, s.current});
    Program program =
        compile(step.training.graph, step.wants, Weights(golden().begin(), golden().end()), *backend, options);
    Tensor x = golden().at("input");
    for (const int k : {1, 2}) {
      const auto values = program.run({{"input", x}, {"seed", golden().at("seed")}});
      if (k == 1)
        for (size_t i = 0; i < values.size(); ++i) expect_close(values[i], golden().at(step.names[i]), step.names[i]);
      for (const RunningStatistic& s : step.training.statistics)
        expect_close(program.state(step.name_of(s)), golden().at(fmt::format("after/{}/{}", k, step.name_of(s))),
                     fmt::format("{} after step {}", step.name_of(s), k));
      for (int64_t i = 0; i < x.count(); ++i) x.set(i, 1 - x.at(i) / 2);
    }
  }
}

TEST(TrainingMode, FrozenStatisticsAreThoseOfInference) {
  const Step step({.frozen_statistics = true}, "eval/");
  EXPECT_TRUE(step.training.statistics.empty());
  const auto values = evaluate(step.training.graph, golden(), step.wants);
  for (size_t k = 0; k < values.size(); ++k) expect_close(values[k], golden().at(step.names[k]), step.names[k]);
}

// One channel of the values 1, 2, 3, 6: mean 3, biased variance 3.5, unbiased 14/3; the running ones start at 10
// and 20.
TEST(TrainingMode, MomentumAndBiasAreChosen) {
  const auto run = [](const TrainingMode& mode, int uses) {
    Graph g;
    const Type channel{DType::f64, {1}};
    Value y = input(g, "x", {DType::f64, {4, 1}});
    std::vector<Value> p;
    for (const char* name : {"scale", "bias", "mean", "variance"}) p.push_back(parameter(g, name, channel));
    std::vector<Value> outputs;
    for (int k = 0; k < uses; ++k) outputs.push_back(batch_norm(g, y, p[0], p[1], p[2], p[3]));
    const TrainingGraph training = training_mode(g, outputs, mode);
    EXPECT_EQ(training.statistics.size(), 2u);
    const auto number = [](double v) { return Tensor::of<double>({1}, {v}); };
    const std::map<std::string, Tensor> feeds = {{"x", Tensor::of<double>({4, 1}, {1, 2, 3, 6})},
                                                 {"scale", number(2)},
                                                 {"bias", number(1)},
                                                 {"mean", number(10)},
                                                 {"variance", number(20)}};
    std::vector<Value> wants;
    for (const RunningStatistic& s : training.statistics) wants.push_back(s.next);
    std::map<std::string, double> result;
    const auto values = evaluate(training.graph, feeds, wants);
    for (size_t k = 0; k < values.size(); ++k)
      result[training.graph.node(training.statistics[k].current).name] = values[k].at(0);
    return result;
  };
  auto got = run({.momentum = 0.25}, 1);
  EXPECT_NEAR(got["mean"], 0.75 * 10 + 0.25 * 3, 1e-12);
  EXPECT_NEAR(got["variance"], 0.75 * 20 + 0.25 * 14 / 3, 1e-12);
  got = run({.momentum = 0.25, .unbiased = false}, 1);
  EXPECT_NEAR(got["variance"], 0.75 * 20 + 0.25 * 3.5, 1e-12);
  got = run({.momentum = 0.5}, 2);  // two norms share the statistics: each moves them
  EXPECT_NEAR(got["mean"], 0.25 * 10 + 0.5 * 3 + 0.25 * 3, 1e-12);
  EXPECT_NEAR(got["variance"], 0.25 * 20 + 0.75 * 14 / 3, 1e-12);
}

TEST(TrainingMode, NonsenseIsRefused) {
  const Network network;
  const Value wants[] = {network.scores};
  EXPECT_THROW(training_mode(network.graph, wants, {.momentum = 1.5}), Error);
  EXPECT_THROW(training_mode(network.graph, wants, {.momentum = -0.1}), Error);
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1, 2, 1, 1}});
  std::vector<Value> p;
  for (const char* name : {"a", "b", "c", "d"}) p.push_back(parameter(g, name, {DType::f32, {2}}));
  const Value y[] = {batch_norm(g, x, p[0], p[1], p[2], p[3])};
  EXPECT_THROW(training_mode(g, y), Error);
  EXPECT_TRUE(training_mode(g, y, {.frozen_statistics = true}).statistics.empty());
}

// Statistics that are not parameters are no statistics of training.
TEST(TrainingMode, ConstantStatisticsStay) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {2, 1, 2, 2}});
  const Value one = constant(g, Tensor::of<float>({1}, {1}));
  const Value y[] = {batch_norm(g, x, one, one, one, one)};
  const TrainingGraph training = training_mode(g, y);
  EXPECT_EQ(training.graph.node(training.map(y[0])).op, &ops::batch_norm);
}

struct Dropped {
  Graph graph;
  std::vector<Value> layers;
  Dropped() {
    const Value x = input(graph, "x", {DType::f32, {8, 250}});
    for (const double rate : {0.5, 0.5, 0.2, 0.0}) {
      const Value y = dropout(graph, x, DropoutAttributes{rate});
      graph.rename(y.node, fmt::format("drop{}", layers.size() + 1));
      layers.push_back(y);
    }
  }
};

std::vector<Tensor> dropped_with(const TrainingGraph& training, const std::vector<Value>& layers, uint64_t key) {
  std::vector<Value> wants;
  for (const Value v : layers) wants.push_back(training.map(v));
  return evaluate(training.graph,
                  {{"x", Tensor::full(DType::f32, {8, 250}, 1)}, {"dropout key", Tensor::scalar<uint64_t>(key)}},
                  wants);
}

int64_t kept(const Tensor& t) {
  int64_t count = 0;
  for (int64_t i = 0; i < t.count(); ++i) count += t.at(i) != 0;
  return count;
}

TEST(TrainingMode, DropoutDrawsAnotherMaskForEachLayerAndStep) {
  const Dropped network;
  const TrainingGraph training = training_mode(network.graph, network.layers);
  verify(training.graph);
  ASSERT_TRUE(training.dropout_key);
  EXPECT_EQ(training.graph.type(training.dropout_key), (Type{DType::u64, {}}));
  EXPECT_EQ(training.graph.inputs().size(), 2u);
  std::set<std::vector<double>> masks;
  for (const uint64_t key : {0, 1, 2, 3}) {
    const auto values = dropped_with(training, network.layers, key);
    for (size_t k = 0; k < 2; ++k) EXPECT_TRUE(masks.insert(values[k].to_doubles()).second) << key << " " << k;
    // 2000 draws: five standard deviations of the binomial distribution.
    EXPECT_NEAR(static_cast<double>(kept(values[0])), 1000, 5 * std::sqrt(2000 * 0.25));
    EXPECT_NEAR(static_cast<double>(kept(values[2])), 1600, 5 * std::sqrt(2000 * 0.16));
    EXPECT_EQ(kept(values[3]), 2000);
    for (int64_t i = 0; i < 2000; ++i) EXPECT_TRUE(values[0].at(i) == 0 || values[0].at(i) == 2);
    // Equal keys, equal masks; two layers agree on about half of their elements, as independent ones do.
    EXPECT_EQ(dropped_with(training, network.layers, key)[0].to_doubles(), values[0].to_doubles());
    int64_t same = 0;
    for (int64_t i = 0; i < 2000; ++i) same += values[0].at(i) == values[1].at(i);
    EXPECT_NEAR(static_cast<double>(same), 1000, 5 * std::sqrt(2000 * 0.25));
  }
}

TEST(TrainingMode, NetworksWithoutDropoutNeedNoKey) {
  const Network network;
  const Value wants[] = {network.scores};
  const TrainingGraph training = training_mode(network.graph, wants);
  EXPECT_FALSE(training.dropout_key);
  EXPECT_EQ(training.graph.inputs().size(), 1u);
  EXPECT_EQ(training.graph.outputs.at(0).value, training.map(network.scores));
  EXPECT_EQ(training.graph.node(training.map(network.scores)).name, network.graph.node(network.scores).name);
}

// The key is a number of each run for the CPU backend too: masks are those of the interpreter.
TEST(TrainingMode, TheCpuDropsTheSame) {
  const Dropped network;
  const TrainingGraph training = training_mode(network.graph, network.layers);
  std::vector<Value> wants;
  for (const Value v : network.layers) wants.push_back(training.map(v));
  const auto cpu = cpu_backend();
  Program program = compile(training.graph, wants, {}, *cpu, {.tune = false});
  for (const uint64_t key : {7, 8}) {
    const auto got =
        program.run({{"x", Tensor::full(DType::f32, {8, 250}, 1)}, {"dropout key", Tensor::scalar<uint64_t>(key)}});
    const auto want = dropped_with(training, network.layers, key);
    for (size_t k = 0; k < want.size(); ++k) EXPECT_EQ(got[k].to_doubles(), want[k].to_doubles()) << k;
  }
}

}  // namespace
}  // namespace fovea
