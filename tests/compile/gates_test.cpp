// Gates: an open one costs nothing, a closed one leaves zeros exactly where somebody reads them.
#include <gtest/gtest.h>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sigmoid.h"

namespace fovea {
namespace {

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, Rng(seed).normal(static_cast<uint64_t>(i)));
  return t;
}

// One gated value f, read by `use`; f itself is read again afterwards, so that its memory must stay as it is, or not.
struct Consumer {
  const char* name;
  Value (*use)(Graph&, Value gated, Value x);
};
constexpr Consumer kConsumers[] = {{"add", [](Graph& g, Value f, Value x) { return add(g, f, x); }},
                                   {"sigmoid", [](Graph& g, Value f, Value) { return sigmoid(g, f); }},
                                   {"concat",
                                    [](Graph& g, Value f, Value x) {
                                      return relu(g, concat(g, {f, x}, 1));
                                    }},
                                   {"reshape and sigmoid",
                                    [](Graph& g, Value f, Value) {
                                      return sigmoid(g, reshape(g, f, Shape{2, 16 * 30}));
                                    }},
                                   {"relu", [](Graph& g, Value f, Value x) { return add(g, relu(g, f), x); }},
                                   {"nothing", [](Graph&, Value f, Value) { return f; }},
                                   {"gate of a gate", [](Graph& g, Value f, Value x) {
                                      return add(g, gate(g, f, {g.find("second"), 0}), sigmoid(g, x));
                                    }}};

TEST(Gates, ZerosLieWhereTheyAreRead) {
  const auto cpu = cpu_backend();
  for (const Consumer& consumer : kConsumers) {
    Graph g;
    const Value open = input(g, "open", {DType::boolean, {}});
    input(g, "second", {DType::boolean, {}});
    const Value x = input(g, "x", {DType::f32, {2, 16, 5, 6}});
    const Value w = parameter(g, "w", {DType::f32, {16, 16, 3, 3}});
    const Value f = conv(g, x, w, {}, {.pad = 1});
    const Value used = consumer.use(g, gate(g, f, open), x);
    const Value again = mul(g, f, f);
    const Weights weights{{"w", random({16, 16, 3, 3}, 1)}};
    for (Backend* backend : {cpu.get(), &reference_backend()})
      for (int level = 0; level <= 7; ++level) {
        const std::vector<Value> wants = level > 3 ? std::vector<Value>{used} : std::vector<Value>{used, again};
        Program program = compile(g, wants, weights, *backend, {.tune = false, .level = level % 4});
        for (const int pattern : {3, 2, 0, 1, 3, 2}) {
          SCOPED_TRACE(fmt::format("{} on {} level {} pattern {}", consumer.name, backend->name(), level, pattern));
          std::map<std::string, Tensor> feeds{{"x", random({2, 16, 5, 6}, 2)},
                                              {"open", Tensor::scalar<bool>((pattern & 1) != 0)},
                                              {"second", Tensor::scalar<bool>((pattern & 2) != 0)}};
          const auto got = program.run(feeds);
          feeds["w"] = weights.at("w");
          const auto expected = evaluate(g, feeds, wants);
          for (size_t k = 0; k < wants.size(); ++k)
            for (int64_t i = 0; i < got[k].count(); ++i)
              ASSERT_NEAR(got[k].at(i), expected[k].at(i), 2e-3 + 1e-5 * std::abs(expected[k].at(i))) << k;
        }
      }
  }
}

// Where it leads to a sum, an open gate is no step at all.
TEST(Gates, AnOpenGateIsFree) {
  const auto cpu = cpu_backend();
  Graph g;
  const Value open = input(g, "open", {DType::boolean, {}}), x = input(g, "x", {DType::f32, {2, 16, 5, 6}});
  const Value y = add(g, gate(g, sigmoid(g, x), open), x);
  const Value wants[] = {y};
  const Program program = compile(g, wants, {}, *cpu, {.tune = false});
  for (const StepInfo& step : program.steps()) EXPECT_NE(step.op, "gate");
}

// A boolean that is computed decides at run time, without skipping.
TEST(Gates, AComputedBooleanDecides) {
  const auto cpu = cpu_backend();
  Graph g;
  const Value x = input(g, "x", {DType::f32, {2, 4}}), limit = input(g, "limit", {DType::f32, {}});
  const Value y = add(g, gate(g, relu(g, x), less(g, limit, scalar(g, 1))), x);
  const Value wants[] = {y};
  Program program = compile(g, wants, {}, *cpu, {.tune = false});
  const Tensor ones = Tensor::full(DType::f32, {2, 4}, 1);
  EXPECT_EQ(program.run({{"x", ones}, {"limit", Tensor::scalar(0.5f)}})[0].at(3), 2);
  EXPECT_EQ(program.run({{"x", ones}, {"limit", Tensor::scalar(1.5f)}})[0].at(3), 1);
  EXPECT_EQ(program.run({{"x", ones}, {"limit", Tensor::scalar(0.5f)}})[0].at(3), 2);
}

// More patterns than are kept.
TEST(Gates, ThousandsOfPatterns) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {4}});
  Value sum = x;
  for (int k = 0; k < 11; ++k)
    sum = add(g, sum, gate(g, mul(g, x, scalar(g, 1 << k)), input(g, fmt::format("open{}", k), {DType::boolean, {}})));
  const Value wants[] = {sum};
  Program program = compile(g, wants, {}, reference_backend());
  for (int pattern = 0; pattern < 2048; ++pattern) {
    std::map<std::string, Tensor> feeds{{"x", Tensor::full(DType::f32, {4}, 1)}};
    for (int k = 0; k < 11; ++k) feeds[fmt::format("open{}", k)] = Tensor::scalar<bool>((pattern >> k & 1) != 0);
    ASSERT_EQ(program.run(feeds)[0].at(2), 1 + pattern);
  }
}

}  // namespace
}  // namespace fovea
