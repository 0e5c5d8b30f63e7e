// A network of the zoo in its training form learns: batch norms, dropout and running statistics in one loop.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/rng.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/train/descent.h"
#include "fovea/train/optimiser.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/training_mode.h"

namespace fovea {
namespace {

constexpr int64_t kBatch = 8, kClasses = 4, kSide = 8, kSteps = 25;

// A batch whose classes differ in the channel that is bright, with noise.
std::map<std::string, Tensor> batch() {
  Tensor pictures(DType::f32, {kBatch, 3, kSide, kSide}), classes(DType::i64, {kBatch});
  for (int64_t i = 0; i < pictures.count(); ++i) {
    const int64_t n = i / (3 * kSide * kSide), channel = i / (kSide * kSide) % 3;
    pictures.set(i, (n % kClasses == channel ? 2 : 0) + 0.5 * Rng(4).normal(static_cast<uint64_t>(i)));
  }
  for (int64_t n = 0; n < kBatch; ++n) classes.set(n, static_cast<double>(n % kClasses));
  return {{"input", pictures}, {"classes", classes}};
}

TEST(TrainingMode, ANetworkOfTheZooLearns) {
  const Model model = build(*find_architecture("densenet40_cifar"),
                            {.classes = kClasses, .height = kSide, .width = kSide, .batch = kBatch});
  const Weights start = initial_weights(model.graph, 1);
  const Value scores = model.graph.outputs.at(0).value;
  TrainingGraph training = training_mode(model.graph, std::vector<Value>{scores});
  Graph& g = training.graph;
  const Value classes = input(g, "classes", {DType::i64, {kBatch}});
  const Value loss = reduce(g, softmax_cross_entropy(g, training.map(scores), classes), {.kind = "mean"});
  std::map<Value, Value> statistics;
  for (const RunningStatistic& s : training.statistics) statistics[s.current] = s.next;
  std::vector<Value> trained;
  for (const Value p : g.parameters())
    if (!statistics.contains(p)) trained.push_back(p);
  int norms = 0;
  for (const Node& node : model.graph.nodes()) norms += node.op == &ops::batch_norm;
  EXPECT_EQ(statistics.size(), 2u * static_cast<size_t>(norms));
  CompileOptions options;
  options.tune = false;
  options.carry = optimise(g, trained, gradient(g, loss, trained), {});
  for (const auto& [current, next] : statistics) options.carry.push_back({next, current});
  verify(g);

  const auto cpu = cpu_backend();
  Descent descent(g, {loss}, start, *cpu, options);
  std::vector<double> losses;
  descent.observe([&](const DescentStep& s) { losses.push_back(s.watched[0].at(0)); });
  const auto fixed = batch();
  descent.run({}, kSteps, [&](int64_t step) {
    auto feed = fixed;
    feed["rate"] = Tensor::scalar(0.05f);
    feed["dropout key"] = Tensor::scalar(static_cast<uint64_t>(step));
    return feed;
  });
  ASSERT_EQ(losses.size(), static_cast<size_t>(kSteps));
  for (const double l : losses) ASSERT_TRUE(std::isfinite(l));
  EXPECT_LT(losses.back(), 0.3 * losses.front());

  // What was learnt fits the inference graph: the same batch is right there, with the running statistics.
  Weights learnt;
  for (const Value p : model.graph.parameters()) {
    const std::string& name = model.graph.node(p).name;
    learnt[name] = descent.program().state(name);
  }
  EXPECT_NE(learnt.at("features.norm4.running_mean").at(0), 0);
  const Value wants[] = {scores};
  CompileOptions plain;
  plain.tune = false;
  const Tensor got = compile(model.graph, wants, learnt, *cpu, plain).run({{"input", fixed.at("input")}})[0];
  int64_t right = 0;
  for (int64_t n = 0; n < kBatch; ++n) {
    int64_t best = 0;
    for (int64_t c = 1; c < kClasses; ++c)
      if (got.at(n * kClasses + c) > got.at(n * kClasses + best)) best = c;
    right += best == n % kClasses;
  }
  EXPECT_GE(right, kBatch - 1);
}

}  // namespace
}  // namespace fovea
