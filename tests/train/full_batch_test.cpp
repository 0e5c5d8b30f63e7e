// A network trained by L-BFGS on whole sets.
#include "fovea/train/full_batch.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/train/lbfgs.h"

namespace fovea {
namespace {

constexpr int64_t kBatch = 16, kBatches = 3;

// Digits-like noise whose class is where the light is.
std::map<std::string, Tensor> pictures(int64_t batch) {
  Tensor x(DType::f32, {kBatch, 1, 28, 28}), y(DType::i64, {kBatch});
  for (int64_t n = 0; n < kBatch; ++n) {
    y.set(n, static_cast<double>((n * 7 + batch) % 10));
    for (int64_t i = 0; i < 784; ++i) {
      const int64_t at = n * 784 + i;
      const bool light = i / 78 == (n * 7 + batch) % 10;
      x.set(at, 0.3 * Rng(2).fork(static_cast<uint64_t>(batch)).normal(static_cast<uint64_t>(at)) + (light ? 1 : 0));
    }
  }
  return {{"input", x}, {"labels", y}};
}

Recipe recipe() {
  Recipe r;
  r.batch = kBatch;
  r.optimiser.kind = "lbfgs";
  return r;
}

TEST(FullBatch, GradientsAreThoseOfTheMeanLoss) {
  const Model model = zoo_model("lenet5", {}, 1);
  const TrainingStep step = training_step(model, recipe());
  const auto backend = cpu_backend();
  FullBatch set(step, model.weights, *backend, {.tune = false}, kBatches, pictures);
  std::vector<float> x = set.weights(), gradient(x.size()), other(x.size());
  ASSERT_EQ(x.size(), 61706u);
  const double loss = set(x, gradient);
  EXPECT_EQ(loss, set(x, other));
  EXPECT_EQ(gradient, other);
  // Along the gradient, by central differences; f32 leaves about 1e-7 / h of noise.
  double square = 0;
  for (const float g : gradient) square += static_cast<double>(g) * static_cast<double>(g);
  const double h = 2e-3 / std::sqrt(square);
  std::vector<float> up = x, down = x;
  for (size_t i = 0; i < x.size(); ++i) {
    up[i] += static_cast<float>(h) * gradient[i];
    down[i] -= static_cast<float>(h) * gradient[i];
  }
  EXPECT_NEAR((set(up, other) - set(down, other)) / (2 * h), square, 0.01 * square);
  EXPECT_THROW(set.set_weights(std::span(x).first(10)), Error);
}

TEST(FullBatch, LbfgsLearnsTheSet) {
  const Model model = zoo_model("lenet5", {}, 1);
  const TrainingStep step = training_step(model, recipe());
  const auto backend = cpu_backend();
  FullBatch set(step, model.weights, *backend, {.tune = false}, kBatches, pictures);
  std::vector<float> x = set.weights(), gradient(x.size());
  Lbfgs<float> optimiser({.iterations = 20, .line_search = true});
  const double first = optimiser.step(x, std::ref(set));
  const double last = set(x, gradient);
  EXPECT_GT(first, 1.5);
  EXPECT_LT(last, 0.05 * first);
  EXPECT_EQ(set.errors(), 0);
  EXPECT_LT(set.loss(), 0.05 * first);
  Recipe other = recipe();
  other.optimiser.kind = "sgd";
  const TrainingStep updating = training_step(model, other);
  EXPECT_THROW(FullBatch(updating, model.weights, *backend, {}, 1, pictures), Error);
}

}  // namespace
}  // namespace fovea
