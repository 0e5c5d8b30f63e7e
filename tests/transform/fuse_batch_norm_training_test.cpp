// fuse_batch_norm_training: what a network's training step computes stays; batch norms take in what stands around them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/rewrite.h"

namespace fovea {
namespace {

constexpr std::string_view kForward = "fused_batch_norm_training", kBackward = "fused_batch_norm_training_gradient",
                           kOfSum = "fused_batch_norm_training_gradient_of_sum";

class FuseBatchNormTraining : public ::testing::Test {
 protected:
  Value feed(const std::string& name, const Shape& shape) {
    Tensor t(DType::f64, shape);
    for (int64_t i = 0; i < t.count(); ++i)
      t.set(i, 2 * Rng(feeds.size() + 1).uniform_double(static_cast<uint64_t>(i)) - 1);
    feeds[name] = t;
    return input(g, name, {DType::f64, shape});
  }
  Value parameter_of(const std::string& name, const Shape& shape) {
    parameters.push_back(feed(name, shape));
    return parameters.back();
  }
  Value norm(Value y, const std::string& name) {
    const int64_t c = g.shape(y)[1];
    y = batch_norm_training(g, y, parameter_of(name + ".scale", {c}), parameter_of(name + ".bias", {c}));
    g.rename(y.node, name);
    // Running statistics stand right behind the norm, before what it is fused with.
    wants.push_back(add(g, scale(g, feed(name + ".running", {c}), 0.9), scale(g, {y.node, 1}, 0.1)));
    wants.push_back(scale(g, {y.node, 2}, 0.1));
    return y;
  }
  Value convolution(Value y, int64_t out, int64_t stride = 1) {
    const Shape shape{out, g.shape(y)[1], 3, 3};
    return conv(g, y, parameter_of(fmt::format("w{}", parameters.size()), shape), {}, {.stride = stride, .pad = 1});
  }
  // Wants a weighted sum of y and its gradients, fuses, and compares.
  Rewritten fuse_training_of(Value y) {
    const Value loss = reduce(g, mul(g, y, feed("weights of the loss", g.shape(y))));
    wants.push_back(loss);
    const auto gradients = gradient(g, loss, parameters);
    wants.insert(wants.end(), gradients.begin(), gradients.end());
    return fuse_and_compare();
  }
  Rewritten fuse_and_compare() {
    Rewritten after = fuse_batch_norm_training(g, wants);
    verify(after.graph);
    std::vector<Value> mapped;
    for (const Value want : wants) mapped.push_back(after.map(want));
    const auto a = evaluate(g, feeds, wants), b = evaluate(after.graph, feeds, mapped);
    for (size_t k = 0; k < a.size(); ++k)
      for (int64_t i = 0; i < a[k].count(); ++i)
        EXPECT_NEAR(a[k].at(i), b[k].at(i), 1e-12 * std::max(1.0, std::abs(a[k].at(i)))) << "want " << k << " " << i;
    return after;
  }
  static int count(const Graph& graph, std::string_view op) {
    return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                          [&](const Node& node) { return node.op->name == op; }));
  }
  static int unfused(const Graph& graph) {
    return count(graph, "batch_norm_training") + count(graph, "batch_norm_training_gradient") + count(graph, "relu") +
           count(graph, "relu_gradient");
  }

  Graph g;
  std::map<std::string, Tensor> feeds;
  std::vector<Value> parameters, wants;
  Value x = feed("x", {2, 3, 6, 5});
};

TEST_F(FuseBatchNormTraining, AReluBehindANorm) {
  const Rewritten after = fuse_training_of(convolution(relu(g, norm(convolution(x, 4), "bn1")), 4));
  EXPECT_EQ(count(after.graph, kForward), 1);
  EXPECT_EQ(count(after.graph, kBackward), 1);
  EXPECT_EQ(unfused(after.graph), 0);
  const Node& backward = *std::find_if(after.graph.nodes().begin(), after.graph.nodes().end(),
                                       [](const Node& node) { return node.op->name == kBackward; });
  EXPECT_TRUE(backward.inputs[5]);  // by the bias: the output is not read
  EXPECT_FALSE(backward.inputs[6]);
  EXPECT_GE(after.graph.find("bn1"), 0);
}

TEST_F(FuseBatchNormTraining, ResidualBlocks) {
  Value y = relu(g, norm(convolution(x, 4), "bn"));
  for (const int block : {1, 2, 3}) {
    Value branch = relu(g, norm(convolution(y, 4), fmt::format("bn{}.1", block)));
    branch = norm(convolution(branch, 4), fmt::format("bn{}.2", block));
    // A shortcut that is computed behind the norm, with a convolution and a norm of its own, and the plain one.
    const Value shortcut = block == 1 ? scale(g, y, 0.5) : block == 2 ? norm(convolution(y, 4), "shortcut") : y;
    y = relu(g, add(g, branch, shortcut));
  }
  const Rewritten after = fuse_training_of(y);
  EXPECT_EQ(count(after.graph, kForward), 7);  // of two norms that are added, one takes the sum
  EXPECT_EQ(count(after.graph, kBackward), 4);
  EXPECT_EQ(count(after.graph, kOfSum), 3);  // where paths split: before blocks
  EXPECT_EQ(count(after.graph, "batch_norm_training"), 1);
  EXPECT_EQ(count(after.graph, "batch_norm_training_gradient"), 1);
  EXPECT_EQ(count(after.graph, "relu") + count(after.graph, "relu_gradient"), 0);
}

TEST_F(FuseBatchNormTraining, AResidualWithoutRelu) {
  const Value y = convolution(x, 3);
  const Rewritten after = fuse_training_of(add(g, x, norm(y, "bn")));
  EXPECT_EQ(count(after.graph, kForward), 1);
  EXPECT_EQ(count(after.graph, "batch_norm_training_gradient"), 1);
}

TEST_F(FuseBatchNormTraining, WhatIsWantedOrReadElsewhereStays) {
  const Value normed = norm(convolution(x, 4), "bn1"), twice = norm(convolution(x, 4), "bn2");
  wants.push_back(normed);
  const Rewritten after = fuse_training_of(add(g, relu(g, normed), mul(g, relu(g, twice), twice)));
  EXPECT_EQ(count(after.graph, kForward), 0);
  EXPECT_EQ(count(after.graph, "relu"), 2);
}

TEST_F(FuseBatchNormTraining, ANormAddedToItselfOrBroadcastStays) {
  const Value y = norm(convolution(x, 4), "bn");
  const Rewritten after = fuse_training_of(add(g, norm(add(g, y, y), "bn2"), feed("column", {4, 1, 1})));
  EXPECT_EQ(count(after.graph, kForward), 0);
}

TEST_F(FuseBatchNormTraining, SumsOfWhatIsGatedStay) {
  const Value open = constant(g, Tensor::scalar(true));
  Value y = relu(g, norm(convolution(x, 4), "bn"));
  y = relu(g, add(g, norm(convolution(y, 4), "shortcut"), gate(g, norm(convolution(y, 4), "branch"), open)));
  const Rewritten after = fuse_training_of(y);
  EXPECT_EQ(count(after.graph, kForward), 1);
  EXPECT_EQ(count(after.graph, kOfSum), 0);
  EXPECT_EQ(count(after.graph, kBackward), 2);
}

TEST_F(FuseBatchNormTraining, AResidualOfTheNormsOwnMeanIsLeftAlone) {
  const Value y = norm(convolution(x, 4), "bn");
  const Shape shape = g.shape(y);
  const Value mean = expand(g, reshape(g, {y.node, 1}, Shape{1, 4, 1, 1}), shape);
  wants.push_back(relu(g, add(g, y, mean)));
  const Rewritten after = fuse_and_compare();
  EXPECT_EQ(count(after.graph, kForward), 0);
  EXPECT_EQ(count(after.graph, "batch_norm_training"), 1);
}

}  // namespace
}  // namespace fovea
