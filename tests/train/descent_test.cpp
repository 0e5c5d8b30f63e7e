// The loop of training on problems small enough to be computed by hand.
#include <gtest/gtest.h>

#include "fovea/backend/backend.h"

#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/sub.h"
#include "fovea/train/descent.h"
#include "fovea/train/optimiser.h"
#include "fovea/transform/gradient.h"

namespace fovea {
namespace {

// loss = sum(curvature · (w - target)²): convex, and each number of w goes its own way.
struct Valley {
  Graph graph;
  Value w, loss;
  std::vector<Carry> carry;
  explicit Valley(const OptimiserSettings& settings) {
    const Type type{DType::f32, {3}};
    w = parameter(graph, "w", type);
    const Value away = sub(graph, w, input(graph, "target", type));
    loss = reduce(graph, mul(graph, input(graph, "curvature", type), mul(graph, away, away)), {.kind = "sum"});
    const std::vector<Value> parameters = {w};
    carry = optimise(graph, parameters, gradient(graph, loss, parameters), settings);
  }
};

constexpr double kTarget[] = {1, -2, 0.5}, kCurvature[] = {1, 0.25, 3}, kStart[] = {4, 4, -1};
constexpr double kRate = 0.05;

std::vector<double> losses_of(const OptimiserSettings& settings, int64_t steps) {
  Valley valley(settings);
  CompileOptions options;
  options.carry = valley.carry;
  options.tune = false;
  Weights start;
  start["w"] = Tensor::of<float>({3}, {4, 4, -1});
  Descent descent(valley.graph, {valley.loss}, start, reference_backend(), options);
  std::vector<double> losses;
  descent.observe([&](const DescentStep& s) {
    EXPECT_EQ(s.step, static_cast<int64_t>(losses.size()));
    EXPECT_EQ(s.total, steps);
    losses.push_back(s.watched[0].at(0));
  });
  const auto feed = [](int64_t) -> std::map<std::string, Tensor> {
    return {{"target", Tensor::of<float>({3}, {1, -2, 0.5f})},
            {"curvature", Tensor::of<float>({3}, {1, 0.25f, 3})},
            {"rate", Tensor::scalar(static_cast<float>(kRate))}};
  };
  EXPECT_EQ(descent.run({}, steps, feed), steps);
  return losses;
}

// v' = momentum · v + 2 · curvature · (w - target) + decay · w, w' = w - rate · v'.
std::vector<double> losses_by_hand(const OptimiserSettings& settings, int64_t steps) {
  double w[3] = {kStart[0], kStart[1], kStart[2]}, v[3] = {};
  std::vector<double> losses;
  for (int64_t step = 0; step < steps; ++step) {
    double loss = 0;
    for (int i = 0; i < 3; ++i) {
      const double away = w[i] - kTarget[i];
      loss += kCurvature[i] * away * away;
      v[i] = settings.momentum * v[i] + 2 * kCurvature[i] * away + settings.weight_decay * w[i];
      w[i] -= kRate * v[i];
    }
    losses.push_back(loss);
  }
  return losses;
}

TEST(Descent, FollowsTheStepsOfMomentum) {
  for (const OptimiserSettings& settings : {OptimiserSettings{.momentum = 0}, OptimiserSettings{.momentum = 0.9},
                                            OptimiserSettings{.momentum = 0.5, .weight_decay = 0.1}}) {
    const auto got = losses_of(settings, 25), want = losses_by_hand(settings, 25);
    ASSERT_EQ(got.size(), want.size());
    EXPECT_EQ(want[0], 9 + 9 + 6.75);
    // 25 steps of about ten roundings each on numbers up to 24.75.
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 250 * 6e-8 * want[0]) << "step " << i;
    EXPECT_LT(got.back(), got.front());
  }
}

TEST(Descent, TheSameBitsAgain) {
  const OptimiserSettings settings{.momentum = 0.9, .weight_decay = 0.01};
  EXPECT_EQ(losses_of(settings, 40), losses_of(settings, 40));
}

TEST(Descent, StopsWhenCancelled) {
  Valley valley({});
  CompileOptions options;
  options.carry = valley.carry;
  Weights start;
  start["w"] = Tensor::of<float>({3}, {4, 4, -1});
  Descent descent(valley.graph, {valley.loss}, start, reference_backend(), options);
  std::atomic<bool> cancel{false};
  Context context;
  context.cancel = &cancel;
  descent.observe([&](const DescentStep& s) { cancel = s.step == 2; });
  const Tensor ones = Tensor::of<float>({3}, {1, 1, 1});
  const auto feed = [&](int64_t) -> std::map<std::string, Tensor> {
    return {{"target", ones}, {"curvature", ones}, {"rate", Tensor::scalar(0.1f)}};
  };
  EXPECT_EQ(descent.run(context, 100, feed), 3);
  EXPECT_EQ(descent.step(), 3);
}

}  // namespace
}  // namespace fovea
