// Random views: what they show, that they are linear, keyed, and go back exactly.
#include "fovea/insight/robust.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"
#include "tests/formula.h"

namespace fovea {
namespace {

Tensor random_picture(const Shape& shape) {
  const Formula u("views");
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, 2 * u(i) - 1);
  return t;
}

Tensor seen(const Tensor& picture, int64_t height, int64_t width, const RobustSettings& settings, const View& view) {
  Graph graph;
  const Value x = input(graph, "x", {DType::f32, picture.shape()});
  const Value wants[] = {robust_view(graph, x, height, width, settings)};
  std::map<std::string, Tensor> feeds = view_feeds(picture.shape(), height, width, settings, view);
  feeds["x"] = picture;
  return evaluate(graph, feeds, wants)[0];
}

TEST(Robust, ShiftsByWholePixelsAndShowsZeroBeyondTheEdge) {
  const Tensor x = random_picture({2, 3, 6, 7});
  const Tensor y = seen(x, 6, 7, {.jitter = 3}, {1, 0, 2, -3});
  for (int64_t plane = 0; plane < 6; ++plane)
    for (int64_t r = 0; r < 6; ++r)
      for (int64_t c = 0; c < 7; ++c) {
        const bool inside = r + 2 < 6 && c - 3 >= 0;
        EXPECT_EQ(y.at((plane * 6 + r) * 7 + c), inside ? x.at((plane * 6 + r + 2) * 7 + c - 3) : 0.0);
      }
}

TEST(Robust, AMarginIsRoomForTheJitter) {
  const Tensor x = random_picture({1, 1, 8, 9});
  const Tensor y = seen(x, 4, 5, {.jitter = 2}, {1, 0, -2, 2});
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t c = 0; c < 5; ++c) EXPECT_EQ(y.at(r * 5 + c), x.at(r * 9 + c + 4));
}

// A quarter turn is exact: the corner that was top left is top right.
TEST(Robust, TurnsAboutTheMiddle) {
  const Tensor x = random_picture({1, 1, 5, 5});
  const Tensor y = seen(x, 5, 5, {.degrees = 90}, {1, 90, 0, 0});
  for (int64_t r = 0; r < 5; ++r)
    for (int64_t c = 0; c < 5; ++c) EXPECT_NEAR(y.at(r * 5 + c), x.at((4 - c) * 5 + r), 1e-5);
}

// A picture that is a plane stays one under bilinear sampling: v = a + b y + c x at the place that the view looks at.
TEST(Robust, SamplesPlanesExactly) {
  Tensor x(DType::f32, {1, 1, 21, 21});
  for (int64_t r = 0; r < 21; ++r)
    for (int64_t c = 0; c < 21; ++c)
      x.set(r * 21 + c, 1 + 0.5 * static_cast<double>(r - 10) - 0.25 * static_cast<double>(c - 10));
  const View view{1.25, 30, 0.4, -0.7};
  const Tensor y = seen(x, 9, 9, {.jitter = 1, .scale = 0.3, .degrees = 40}, view);
  const double c = std::cos(M_PI / 6) / 1.25, s = std::sin(M_PI / 6) / 1.25;
  for (int64_t r = 0; r < 9; ++r)
    for (int64_t q = 0; q < 9; ++q) {
      const double v = static_cast<double>(r - 4), u = static_cast<double>(q - 4);
      const double at_y = 0.4 + c * v - s * u, at_x = -0.7 + s * v + c * u;
      EXPECT_NEAR(y.at(r * 9 + q), 1 + 0.5 * at_y - 0.25 * at_x, 1e-5);
    }
}

// ⟨view(x), d⟩ = ⟨x, viewᵀ(d)⟩: the gradient is the adjoint.
TEST(Robust, TheGradientIsTheAdjoint) {
  const RobustSettings settings{.jitter = 2, .scale = 0.2, .degrees = 25};
  const View view = view_of_step(settings, Rng(3), 5);
  const Tensor x = random_picture({2, 3, 8, 9}), d = random_picture({2, 3, 7, 6});
  Graph graph;
  const Value in = input(graph, "x", {DType::f32, x.shape()}), weight = input(graph, "d", {DType::f32, d.shape()});
  const Value y = robust_view(graph, in, 7, 6, settings);
  const Value loss = reduce(graph, mul(graph, y, weight));
  std::vector<Value> wants = {loss};
  wants.push_back(gradient(graph, loss, std::vector<Value>{in})[0]);
  std::map<std::string, Tensor> feeds = view_feeds(x.shape(), 7, 6, settings, view);
  feeds["x"] = x;
  feeds["d"] = d;
  const std::vector<Tensor> got = evaluate(graph, feeds, wants);
  double product = 0;
  for (int64_t i = 0; i < x.count(); ++i) product += x.at(i) * got[1].at(i);
  EXPECT_NEAR(product, got[0].at(0), 1e-4);
  EXPECT_GT(std::abs(product), 0.1);
}

TEST(Robust, ViewsAreKeyedAndWithinTheirRange) {
  const RobustSettings settings{.jitter = 3, .scale = 0.1, .degrees = 10}, whole{.jitter = 2};
  std::set<double> shifts;
  for (int64_t step = 0; step < 200; ++step) {
    const View a = view_of_step(settings, Rng(1), step), b = view_of_step(settings, Rng(1), step);
    EXPECT_EQ(a.scale, b.scale);
    EXPECT_EQ(a.shift_x, b.shift_x);
    EXPECT_LE(std::abs(a.scale - 1), 0.1);
    EXPECT_LE(std::abs(a.degrees), 10);
    EXPECT_LE(std::abs(a.shift_y), 3);
    const View w = view_of_step(whole, Rng(1), step);
    EXPECT_EQ(w.shift_x, std::floor(w.shift_x));
    shifts.insert(w.shift_x);
  }
  EXPECT_EQ(shifts, (std::set<double>{-2, -1, 0, 1, 2}));
  EXPECT_NE(view_of_step(settings, Rng(1), 0).degrees, view_of_step(settings, Rng(2), 0).degrees);
}

TEST(Robust, NothingToDoAddsNothing) {
  Graph graph;
  const Value x = input(graph, "x", {DType::f32, {1, 1, 4, 4}});
  EXPECT_EQ(robust_view(graph, x, 4, 4, {}), x);
  EXPECT_TRUE(view_feeds({1, 1, 4, 4}, 4, 4, {}, {}).empty());
  EXPECT_THROW(robust_view(graph, x, 4, 4, {.jitter = -1}), Error);
  EXPECT_THROW(robust_view(graph, x, 4, 4, {.scale = 1}), Error);
}

}  // namespace
}  // namespace fovea
