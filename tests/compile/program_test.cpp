// Compiled programs against the interpreter: carried state, gates, memory sharing at every level.
#include "fovea/compile/program.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sub.h"
#include "fovea/transform/gradient.h"

namespace fovea {
namespace {

Tensor random(const Shape& shape, uint64_t key, double scale = 1) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, scale * (Rng(key).uniform_double(static_cast<uint64_t>(i)) * 2 - 1));
  return t;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double largest = 0;
  for (int64_t i = 0; i < a.count(); ++i) largest = std::max(largest, std::abs(a.at(i) - b.at(i)));
  return largest;
}

struct Network {
  Graph graph;
  Weights weights;
  Value x, out;
};

// conv → relu → pool → (conv → relu → conv) + shortcut → relu → reshape
Network residual_network() {
  Network n;
  Graph& g = n.graph;
  const auto weight = [&](const std::string& name, Shape shape) {
    n.weights[name] = random(shape, n.weights.size() + 1, 0.4);
    return parameter(g, name, {DType::f32, shape});
  };
  n.x = input(g, "x", {DType::f32, {1, 3, 12, 12}});
  Value y = relu(g, conv(g, n.x, weight("w1", {16, 3, 3, 3}), weight("b1", {16}), {.pad = 1}));
  y = max_pool(g, y, {.kernel = 2, .stride = 2});
  Value z = relu(g, conv(g, y, weight("w2", {16, 16, 3, 3}), weight("b2", {16}), {.pad = 1}));
  z = conv(g, z, weight("w3", {16, 16, 3, 3}), {}, {.pad = 1});
  y = relu(g, add(g, z, y));
  n.out = reshape(g, y, Shape{1, 16 * 6 * 6});
  return n;
}

class Backends : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Backend> cpu_ = cpu_backend();
  Backend& backend() { return GetParam() ? *cpu_ : reference_backend(); }
};
INSTANTIATE_TEST_SUITE_P(Both, Backends, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "cpu" : "reference"; });

TEST_P(Backends, EveryLevelAgreesWithTheInterpreter) {
  const Network n = residual_network();
  const Tensor x = random({1, 3, 12, 12}, 99);
  std::map<std::string, Tensor> feeds(n.weights.begin(), n.weights.end());
  feeds["x"] = x;
  const Value wants[] = {n.out};
  const Tensor expected = evaluate(n.graph, feeds, wants)[0];
  double size = 0;
  for (const double v : expected.to_doubles()) size = std::max(size, std::abs(v));
  for (int level = 0; level <= 3; ++level) {
    Program program = compile(n.graph, wants, n.weights, backend(), {.tune = false, .level = level});
    EXPECT_LT(largest_difference(program.run({{"x", x}})[0], expected), 2e-5 * size) << "level " << level;
    const auto again = program.run({{"x", x}})[0];
    EXPECT_TRUE(again.same_bits(program.run()[0])) << "level " << level;
  }
}

TEST_P(Backends, CarryTrainsLikeStepsByHand) {
  Network n = residual_network();
  Graph& g = n.graph;
  const Value loss = reduce(g, mul(g, n.out, n.out), {.kind = "mean"});
  const std::vector<Value> parameters = g.parameters();
  const std::vector<Value> d = gradient(g, loss, parameters);
  std::vector<Carry> carry;
  std::vector<Value> updated;
  for (size_t i = 0; i < parameters.size(); ++i) {
    updated.push_back(sub(g, parameters[i], mul(g, d[i], scalar(g, 0.05))));
    carry.push_back({updated.back(), parameters[i]});
  }
  const Tensor x = random({1, 3, 12, 12}, 5);
  const Value wants[] = {loss};
  Program program = compile(g, wants, n.weights, backend(), {.carry = carry, .tune = false});
  std::map<std::string, Tensor> feeds(n.weights.begin(), n.weights.end());
  feeds["x"] = x;
  double previous = 1e30;
  for (int step = 0; step < 3; ++step) {
    const double got = program.run({{"x", x}})[0].at(0);
    const double expected = evaluate(g, feeds, wants)[0].at(0);
    EXPECT_NEAR(got, expected, 1e-4 * expected) << "step " << step;
    EXPECT_LT(got, previous);
    previous = got;
    const auto values = evaluate(g, feeds, updated);
    for (size_t i = 0; i < parameters.size(); ++i) feeds[g.node(parameters[i]).name] = values[i];
  }
  EXPECT_LT(largest_difference(program.state("w2"), feeds["w2"]), 1e-5);
}

// A chain of four residual blocks y = y + gate(relu(w y)), forward and backward, under all 2^4 patterns.
TEST_P(Backends, ClosedGatesSkipForwardAndBackward) {
  Graph g;
  Weights weights;
  const Value x = input(g, "x", {DType::f32, {1, 16, 6, 6}});
  Value y = x;
  for (int block = 0; block < 4; ++block) {
    const std::string name = fmt::format("w{}", block);
    weights[name] = random({16, 16, 3, 3}, 10 + static_cast<uint64_t>(block), 0.2);
    const Value w = parameter(g, name, {DType::f32, {16, 16, 3, 3}});
    const Value open = input(g, fmt::format("gate{}", block), {DType::boolean, {}});
    y = add(g, y, gate(g, relu(g, conv(g, y, w, {}, {.pad = 1})), open));
  }
  const Value loss = reduce(g, mul(g, y, y));
  std::vector<Value> wrt{x};
  for (const Value p : g.parameters()) wrt.push_back(p);
  std::vector<Value> wants = gradient(g, loss, wrt);
  wants.insert(wants.begin(), {loss, y});
  Program program = compile(g, wants, weights, backend(), {.tune = false});
  const size_t steps = program.steps().size();
  std::map<std::string, Tensor> feeds{{"x", random({1, 16, 6, 6}, 3)}};
  std::vector<int> skipped(5, 0);
  for (int pattern = 15; pattern >= 0; --pattern) {
    int closed = 0;
    for (int block = 0; block < 4; ++block) {
      const bool open = pattern >> block & 1;
      closed += !open;
      feeds[fmt::format("gate{}", block)] = Tensor::scalar<bool>(open);
    }
    auto all = feeds;
    for (const auto& [name, tensor] : weights) all[name] = tensor;
    const auto expected = evaluate(g, all, wants);
    const auto got = program.run(feeds);
    for (size_t i = 0; i < wants.size(); ++i) {
      double size = 1;
      for (const double v : expected[i].to_doubles()) size = std::max(size, std::abs(v));
      EXPECT_LT(largest_difference(got[i], expected[i]), 2e-5 * size) << "pattern " << pattern << " want " << i;
    }
    if (closed == 0) EXPECT_EQ(program.skipped(), 0);
    else
      EXPECT_GE(program.skipped(), closed * 3) << "conv, relu and their backward steps are really skipped; pattern "
                                               << pattern << " of " << steps << " steps";
    skipped[static_cast<size_t>(closed)] = program.skipped();
  }
  for (int closed = 1; closed <= 4; ++closed)
    EXPECT_GT(skipped[static_cast<size_t>(closed)], skipped[static_cast<size_t>(closed - 1)]);
}

TEST(ProgramRun, NamesWhatIsWrong) {
  const Network n = residual_network();
  const Value wants[] = {n.out};
  Program program = compile(n.graph, wants, n.weights, reference_backend());
  EXPECT_THROW(program.run(), Error);
  EXPECT_THROW(program.run({{"y", Tensor()}}), Error);
  EXPECT_THROW(program.run({{"x", Tensor(DType::f32, {1, 3, 5, 5})}}), Error);
  EXPECT_THROW(compile(n.graph, wants, {}, reference_backend()), Error);
}

// Large weights prepared in every run: the same bits from less memory, where their prepared form is larger at all.
TEST(ProgramMemory, LeanOnesPrepareLargeWeightsAnew) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1, 512, 14, 14}});
  const Value w = parameter(g, "w", {DType::f32, {512, 512, 3, 3}});
  const Value y = conv(g, x, w, {}, {.pad = 1});
  Tensor weights(DType::f32, {512, 512, 3, 3}), picture(DType::f32, {1, 512, 14, 14});
  const Rng rng(7);
  uint64_t at = 0;
  for (float& v : weights.data<float>()) v = rng.uniform(at++) - 0.5F;
  for (float& v : picture.data<float>()) v = rng.uniform(at++);
  const auto backend = cpu_backend();
  Program usual = compile(g, std::vector<Value>{y}, {{"w", weights}}, *backend, {.tune = false});
  Program lean = compile(g, std::vector<Value>{y}, {{"w", weights}}, *backend, {.lean = true, .tune = false});
  const Tensor expected = usual.run({{"x", picture}})[0];
  for (int again = 0; again < 2; ++again) {
    const Tensor got = lean.run({{"x", picture}})[0];
    ASSERT_EQ(std::memcmp(got.raw(), expected.raw(), got.bytes()), 0);
  }
  EXPECT_LE(lean.memory().weights, 2 * weights.bytes());
  if (usual.memory().weights > 2 * weights.bytes()) EXPECT_LT(lean.memory().weights, usual.memory().weights / 2);
}

}  // namespace
}  // namespace fovea
