// Gradients of whole graphs: by hand where that is possible, against differences where it is not.
#include "fovea/transform/gradient.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/tanh.h"
#include "tests/transform/differences.h"

namespace fovea {
namespace {

using testing::expect_gradients;
using testing::Feeds;
using testing::random_tensor;

const Type kNumber{DType::f64, {}};

double number(const Graph& g, const Feeds& feeds, Value v) {
  const Value wants[] = {v};
  return evaluate(g, feeds, wants)[0].at(0);
}

// x ─ f1 ─ z1 ─┬─ f2 ─ z2 ─┬─ f4 ─ J:  z1 = wA x, z2 = tanh(wB z1), z3 = wC z1², J = wD z2 + wE z2 z3
//              └─ f3 ─ z3 ─┘
TEST(Gradient, SumsOverTheBranches) {
  const double wA = 0.7, wB = -1.3, wC = 0.4, wD = 1.9, wE = -0.6, x = 1.1;
  const Feeds feeds{{"wA", Tensor::scalar(wA)}, {"wB", Tensor::scalar(wB)}, {"wC", Tensor::scalar(wC)},
                    {"wD", Tensor::scalar(wD)}, {"wE", Tensor::scalar(wE)}, {"x", Tensor::scalar(x)}};
  Graph g;
  std::vector<Value> in;
  for (const char* name : {"wA", "wB", "wC", "wD", "wE", "x"}) in.push_back(input(g, name, kNumber));
  const Value v1 = mul(g, in[0], in[5]);
  const Value v2 = tanh(g, mul(g, in[1], v1));
  const Value v3 = mul(g, in[2], mul(g, v1, v1));
  const Value loss = add(g, mul(g, in[3], v2), mul(g, in[4], mul(g, v2, v3)));
  const auto results = evaluate(g, feeds, gradient(g, loss, in));

  const double z1 = wA * x, z2 = std::tanh(wB * z1), z3 = wC * z1 * z1;
  const double d_z2 = wD + wE * z3, d_z3 = wE * z2, slope = 1 - z2 * z2;
  const double d_z1 = d_z2 * slope * wB + d_z3 * 2 * wC * z1;
  const double expected[] = {d_z1 * x, d_z2 * slope * z1, d_z3 * z1 * z1, z2, z2 * z3, d_z1 * wA};
  for (size_t k = 0; k < in.size(); ++k) EXPECT_NEAR(results[k].at(0), expected[k], 1e-14) << g.node(in[k]).name;
}

// z = x² y − y² with x = t², y = 2t is 2 t⁵ − 4 t²: dz/dt = 10 t⁴ − 8 t.
TEST(Gradient, FollowsTheChainRule) {
  Graph g;
  const Value t = input(g, "t", kNumber);
  const Value x = mul(g, t, t), y = mul(g, scalar(g, 2, DType::f64), t);
  const Value z = sub(g, mul(g, mul(g, x, x), y), mul(g, y, y));
  const Value wrt[] = {t};
  const Value dt = gradient(g, z, wrt)[0];
  for (const double at : {-2.0, -0.5, 0.0, 0.3, 1.0, 1.7}) {
    EXPECT_NEAR(number(g, {{"t", Tensor::scalar(at)}}, dt), 10 * std::pow(at, 4) - 8 * at, 1e-12) << "t = " << at;
  }
}

// ∂L/∂b = ŷ − y for one sample, whether the loss is one operator or spelled out.
TEST(Gradient, OfSoftmaxAndCrossEntropyIsTheError) {
  Graph g;
  const Value z = constant(g, Tensor::of<double>({1, 4}, {0.5, -1, 2, 0.25}));
  const Value b = input(g, "b", {DType::f64, {4}});
  const Value logits = add(g, z, b);
  const Value target = constant(g, Tensor::of<double>({1, 4}, {0, 0, 0, 1}));
  const Value fused = reduce(g, softmax_cross_entropy(g, logits, constant(g, Tensor::ints({3}))));
  const Value soft = reduce(g, softmax_cross_entropy(g, logits, target));
  const Value unfused = neg(g, reduce(g, mul(g, target, log_softmax(g, logits))));
  const Value wrt[] = {b};
  const Value error = sub(g, softmax(g, logits), target);
  const Value wants[] = {
      error, gradient(g, fused, wrt)[0], gradient(g, soft, wrt)[0], gradient(g, unfused, wrt)[0], fused, soft, unfused};
  const auto results = evaluate(g, {{"b", Tensor::of<double>({4}, {0.1, 0.2, -0.3, 0.4})}}, wants);
  for (int64_t i = 0; i < 4; ++i)
    for (size_t k = 1; k <= 3; ++k)
      EXPECT_NEAR(results[k].at(i), results[0].at(i), 1e-14) << "way " << k << ", class " << i;
  EXPECT_NEAR(results[4].at(0), results[6].at(0), 1e-14);
  EXPECT_NEAR(results[5].at(0), results[6].at(0), 1e-14);
}

TEST(Gradient, OfWhatTheLossIgnoresIsZero) {
  Graph g;
  const Value x = input(g, "x", {DType::f64, {3}}), other = input(g, "other", {DType::f64, {2, 2}});
  const Value wrt[] = {x, other};
  const auto results = evaluate(g, {{"x", Tensor::of<double>({3}, {1, 2, 3})}}, gradient(g, reduce(g, x), wrt));
  EXPECT_EQ(results[0].to_doubles(), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(results[1].to_doubles(), (std::vector<double>{0, 0, 0, 0}));
}

TEST(Gradient, OfTheGradientOfTanh) {
  Graph g;
  const Value x = input(g, "x", {DType::f64, {5}});
  const Value wrt[] = {x};
  const Value first = gradient(g, reduce(g, tanh(g, x)), wrt)[0];
  const Value second = gradient(g, reduce(g, first), wrt)[0];
  const Tensor at = Tensor::of<double>({5}, {-2, -0.5, 0, 0.7, 3});
  const Value wants[] = {second};
  const Tensor result = evaluate(g, {{"x", at}}, wants)[0];
  for (int64_t i = 0; i < 5; ++i) {
    const double y = std::tanh(at.at(i));
    EXPECT_NEAR(result.at(i), -2 * y * (1 - y * y), 1e-14);
  }
}

TEST(Gradient, OfTheGradientOfConv) {
  Graph g;
  const Value x = input(g, "x", {DType::f64, {2, 4, 6, 5}}), w = input(g, "w", {DType::f64, {6, 2, 3, 2}});
  const Value bias = input(g, "bias", {DType::f64, {6}});
  const Value y = conv(g, x, w, bias, {.stride = {2, 1}, .pad = {1, 0, 1, 1}, .groups = 2});
  const std::vector<Value> wrt{x, w, bias};
  const Rng rng(7);
  Value loss;
  for (const Value d : gradient(g, reduce(g, tanh(g, y)), wrt)) {
    const Value v = constant(g, random_tensor(g.shape(d), rng.fork(static_cast<uint64_t>(d.node))));
    const Value term = reduce(g, mul(g, d, v));
    loss = loss ? add(g, loss, term) : term;
  }
  const auto second = gradient(g, loss, wrt);
  const Feeds feeds{{"x", random_tensor({2, 4, 6, 5}, rng.fork("x"))},
                    {"w", random_tensor({6, 2, 3, 2}, rng.fork("w"), 0.3)},
                    {"bias", random_tensor({6}, rng.fork("bias"))}};
  expect_gradients(g, feeds, loss, wrt, second, rng.fork("directions"));
}

// A random DAG over values of shape 1×2×4×4: each node takes any earlier ones, so values branch and join.
class RandomGraph {
 public:
  explicit RandomGraph(const Rng& rng) : rng_(rng) {
    const Type picture{DType::f64, {1, 2, 4, 4}};
    wrt = {input(graph, "a", picture), input(graph, "b", picture), input(graph, "w", {DType::f64, {2, 2, 3, 3}}),
           input(graph, "m", {DType::f64, {4, 4}}), input(graph, "c", {DType::f64, {2, 1, 1}})};
    pool_ = {wrt[0], wrt[1]};
    const uint64_t nodes = 4 + draw(9);
    for (uint64_t i = 0; i < nodes; ++i) pool_.push_back(grow());
    // Every value counts, the late ones most.
    for (const Value v : pool_) {
      const Value term = reduce(
          graph, mul(graph, tanh(graph, v), constant(graph, random_tensor({2, 4, 4}, rng_.fork(draw(1 << 20))))));
      loss = loss ? add(graph, loss, term) : term;
    }
    for (const Value v : wrt)
      feeds[graph.node(v).name] = random_tensor(graph.shape(v), rng_.fork(graph.node(v).name),
                                                graph.shape(v).rank() == 4 && v == wrt[2] ? 0.4 : 1);
  }

  Graph graph;
  std::vector<Value> wrt;
  Value loss;
  Feeds feeds;

 private:
  uint64_t draw(uint64_t count) { return rng_.below(next_++, count); }
  Value any() { return pool_[draw(pool_.size())]; }

  Value grow() {
    Graph& g = graph;
    switch (draw(12)) {
      case 0: return add(g, any(), any());
      case 1: return mul(g, any(), tanh(g, any()));
      case 2: return sub(g, any(), any());
      case 3: return tanh(g, any());
      case 4: return sigmoid(g, any());
      case 5: return exp(g, tanh(g, any()));  // bounded
      case 6: return matmul(g, tanh(g, any()), wrt[3], {.transpose_a = draw(2) == 1, .transpose_b = draw(2) == 1});
      case 7: return conv(g, any(), wrt[2], {}, {.pad = 1});
      case 8: return average_pool(g, any(), {.kernel = 3, .stride = 1, .pad = 1, .include_pad = draw(2) == 1});
      case 9: return slice(g, concat(g, {any(), any()}, 1), 1, 1, 3);
      case 10: return mul(g, any(), wrt[4]);
      default: return softmax(g, any(), {.axis = static_cast<int64_t>(1 + draw(3))});
    }
  }

  Rng rng_;
  uint64_t next_ = 0;
  std::vector<Value> pool_;
};

TEST(Gradient, OfRandomGraphsAgreesWithDifferences) {
  for (uint64_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("graph {}", seed));
    RandomGraph random(Rng(seed).fork("random graphs"));
    const auto gradients = gradient(random.graph, random.loss, random.wrt);
    verify(random.graph);
    expect_gradients(random.graph, random.feeds, random.loss, random.wrt, gradients, Rng(seed).fork("directions"));
  }
}

}  // namespace
}  // namespace fovea
