// Each Graph → Graph transform keeps what the graph computes and does what it is for.
#include "fovea/transform/rewrite.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/respecialise.h"

namespace fovea {
namespace {

Tensor random(const Shape& shape, uint64_t key, double low = -1, double high = 1) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i)
    t.set(i, low + (high - low) * Rng(key).uniform_double(static_cast<uint64_t>(i)));
  return t;
}

int count(const Graph& graph, std::string_view op) {
  int found = 0;
  for (const Node& node : graph.nodes()) found += node.op->name == op;
  return found;
}

class Transforms : public ::testing::Test {
 protected:
  Value weight(const std::string& name, Shape shape, double low = -1, double high = 1) {
    weights[name] = random(shape, weights.size() + 7, low, high);
    return parameter(graph, name, {DType::f32, shape});
  }
  Value norm(Value y, const std::string& name) {
    const int64_t c = graph.shape(y)[1];
    return batch_norm(graph, y, weight(name + ".scale", {c}), weight(name + ".shift", {c}), weight(name + ".mean", {c}),
                      weight(name + ".var", {c}, 0.5, 2));
  }
  std::vector<double> run(const Graph& g, Value want) {
    std::map<std::string, Tensor> feeds(weights.begin(), weights.end());
    feeds["x"] = random(g.shape({0, 0}), 1);
    const Value wants[] = {want};
    return evaluate(g, feeds, wants)[0].to_doubles();
  }
  // The transformed graph is sound and computes the same.
  void expect_same(const Rewritten& after, Value want) {
    verify(after.graph);
    const auto a = run(graph, want), b = run(after.graph, after.map(want));
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_NEAR(a[i], b[i], 1e-4 * std::max(1.0, std::abs(a[i]))) << "element " << i;
  }
  Graph graph;
  Weights weights;
  Value x = input(graph, "x", {DType::f32, {1, 3, 7, 7}});
};

TEST_F(Transforms, BatchNormDisappearsIntoTheConvolutionBeforeIt) {
  const Value y = norm(conv(graph, x, weight("w", {8, 3, 3, 3}), weight("b", {8}), {.pad = 1}), "bn");
  const Value wants[] = {y};
  const Rewritten after = fold_batch_norm(graph, wants, weights, {});
  EXPECT_EQ(count(after.graph, "batch_norm"), 0);
  EXPECT_EQ(count(after.graph, "channel_affine"), 0);
  expect_same(after, y);
  const Value mapped[] = {after.map(y)};
  const Rewritten folded = fold_constants(after.graph, mapped, weights, {});
  const Value last[] = {folded.map(mapped[0])};
  const Rewritten live = eliminate_dead_code(folded.graph, last);
  EXPECT_EQ(live.graph.size(), 4) << live.graph.text();  // x, weight, bias, conv
}

TEST_F(Transforms, BatchNormThatNoConvolutionCanTakeBecomesAnAffine) {
  const Value c = conv(graph, x, weight("w", {8, 3, 3, 3}));
  const Value y = add(graph, norm(c, "bn"), c);  // the convolution is used twice
  const Value wants[] = {y};
  const Rewritten after = fold_batch_norm(graph, wants, weights, {});
  EXPECT_EQ(count(after.graph, "batch_norm"), 0);
  EXPECT_EQ(count(after.graph, "channel_affine"), 1);
  expect_same(after, y);
}

TEST_F(Transforms, BatchNormWithWeightsBeingTrainedStays) {
  const Value y = norm(conv(graph, x, weight("w", {8, 3, 3, 3})), "bn");
  const Value wants[] = {y};
  EXPECT_EQ(count(fold_batch_norm(graph, wants, weights, {"bn.scale"}).graph, "batch_norm"), 1);
}

TEST_F(Transforms, ConvolutionChainsFuse) {
  const Value a = relu(graph, conv(graph, x, weight("w1", {8, 3, 3, 3}), weight("b1", {8}), {.pad = 1}));
  const Value b = conv(graph, a, weight("w2", {8, 8, 3, 3}), {}, {.pad = 1});
  const Value shortcut = conv(graph, x, weight("w3", {8, 3, 1, 1}));
  const Value y = relu(graph, add(graph, shortcut, b));
  const Value wants[] = {y};
  const Rewritten after = fuse(graph, wants);
  EXPECT_EQ(count(after.graph, "fused_conv"), 3);
  EXPECT_EQ(count(after.graph, "add") + count(after.graph, "relu") + count(after.graph, "conv"), 0);
  expect_same(after, y);
}

TEST_F(Transforms, WhatIsWantedIsNotFusedAway) {
  const Value c = conv(graph, x, weight("w1", {8, 3, 3, 3}));
  const Value y = relu(graph, c);
  const Value wants[] = {c, y};
  const Rewritten after = fuse(graph, wants);
  expect_same(after, c);
  expect_same(after, y);
}

TEST_F(Transforms, IdentitiesAndRepetitionsGo) {
  const Value same = mul(graph, add(graph, identity(graph, x), scalar(graph, 0)), scalar(graph, 1));
  const Value y = add(graph, relu(graph, same), relu(graph, x));
  const Value wants[] = {y};
  const Rewritten simple = simplify(graph, wants);
  const Value mapped[] = {simple.map(y)};
  const Rewritten after = eliminate_common_subexpressions(simple.graph, mapped);
  EXPECT_EQ(count(after.graph, "relu"), 1);
  EXPECT_EQ(count(after.graph, "identity") + count(after.graph, "mul"), 0);
  const auto a = run(graph, y), b = run(after.graph, after.map(simple.map(y)));
  EXPECT_EQ(a, b);
}

TEST_F(Transforms, ConstantsFoldButNotTheWeightsBeingTrained) {
  const Value w = mul(graph, weight("w", {8, 3, 3, 3}), scalar(graph, 2));
  const Value y = conv(graph, x, w);
  const Value wants[] = {y};
  EXPECT_EQ(count(fold_constants(graph, wants, weights, {}).graph, "mul"), 0);
  EXPECT_EQ(count(fold_constants(graph, wants, weights, {"w"}).graph, "mul"), 1);
  expect_same(fold_constants(graph, wants, weights, {}), y);
}

TEST_F(Transforms, ABiasBeforeANormInTrainingHasNoGradient) {
  for (const bool norm_reads_it : {true, false}) {
    Graph g;
    const Value in = input(g, "x", {DType::f64, {3, 2, 5, 4}}), w = input(g, "w", {DType::f64, {4, 2, 3, 3}});
    const Value b = input(g, "b", {DType::f64, {4}}), c = input(g, "c", {DType::f64, {4}});
    const Value y = conv(g, in, w, b, {.pad = 1});
    const Value z = batch_norm_training(g, y, c, c);
    const Value loss = reduce(g, mul(g, norm_reads_it ? z : add(g, z, y), input(g, "v", {DType::f64, {3, 4, 5, 4}})));
    const auto gradients = gradient(g, loss, std::vector{b, w, c});
    std::map<std::string, Tensor> feeds;
    for (const Value v : g.inputs()) feeds[g.node(v).name] = random(g.shape(v), feeds.size() + 1).cast(DType::f64);
    const Rewritten after = simplify(g, gradients);
    verify(after.graph);
    EXPECT_EQ(after.graph.node(after.map(gradients[0])).op->name == "constant", norm_reads_it);
    std::vector<Value> mapped;
    for (const Value v : gradients) mapped.push_back(after.map(v));
    const auto want = evaluate(g, feeds, gradients), got = evaluate(after.graph, feeds, mapped);
    for (size_t k = 0; k < want.size(); ++k)
      for (int64_t i = 0; i < want[k].count(); ++i) EXPECT_NEAR(got[k].at(i), want[k].at(i), 1e-12) << k;
  }
}

TEST_F(Transforms, RespecialisedGraphInfersEveryShapeAnew) {
  const Value y = conv(graph, x, weight("w", {8, 3, 3, 3}), {}, {.pad = 1});
  graph.outputs = {{"y", reshape(graph, y, ints(graph, {0, 8, -1}))}};
  const Graph larger = respecialise(graph, {{"x", {DType::f32, {2, 3, 11, 9}}}});
  EXPECT_EQ(larger.shape(larger.outputs[0].value), (Shape{2, 8, 99}));
  EXPECT_THROW(respecialise(graph, {{"x", {DType::f32, {2, 4, 11, 9}}}}), Error);
  EXPECT_THROW(respecialise(graph, {{"nothing", {DType::f32, {1}}}}), Error);
}

}  // namespace
}  // namespace fovea
