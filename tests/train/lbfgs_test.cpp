// L-BFGS against PyTorch, step by step; see tests/golden/lbfgs/make.py.
#include "fovea/train/lbfgs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// With the usual 100 rounding grows beyond 1e-9 within 50 steps.
constexpr double kFactor = 10;

template <class T>
double rosenbrock(std::span<const T> x, std::span<T> gradient) {
  double value = 0;
  std::vector<double> g(x.size(), 0);
  for (size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i], valley = static_cast<double>(x[i + 1]) - a * a;
    value += kFactor * valley * valley + (1 - a) * (1 - a);
    g[i] += -4 * kFactor * a * valley - 2 * (1 - a);
    g[i + 1] += 2 * kFactor * valley;
  }
  for (size_t i = 0; i < g.size(); ++i) gradient[i] = static_cast<T>(g[i]);
  return value;
}

// 12 samples, 5 features, 3 classes, with a ridge.
double regression(std::span<const double> x, std::span<double> gradient) {
  const Formula features("features");
  double value = 0;
  for (size_t i = 0; i < 15; ++i) {
    value += 1e-3 * x[i] * x[i];
    gradient[i] = 2e-3 * x[i];
  }
  for (int64_t n = 0; n < 12; ++n) {
    double z[3] = {0, 0, 0}, total = 0;
    const auto feature = [&](int64_t k) { return features(n * 5 + k) * 2 - 1; };
    for (int64_t k = 0; k < 5; ++k)
      for (int64_t c = 0; c < 3; ++c) z[c] += feature(k) * x[static_cast<size_t>(k * 3 + c)];
    const double most = std::max({z[0], z[1], z[2]});
    for (const double v : z) total += std::exp(v - most);
    value += (most + std::log(total) - z[n % 3]) / 12;
    for (int64_t c = 0; c < 3; ++c) {
      const double d = (std::exp(z[c] - most) / total - (c == n % 3 ? 1 : 0)) / 12;
      for (int64_t k = 0; k < 5; ++k) gradient[static_cast<size_t>(k * 3 + c)] += d * feature(k);
    }
  }
  return value;
}

LbfgsSettings settings_of(const std::string& name) {
  if (name == "wolfe1") return {.iterations = 1, .line_search = true};
  if (name == "wolfe20") return {.history = 5, .line_search = true};
  if (name == "plain1") return {.iterations = 1};
  return {.rate = 0.5, .iterations = 4, .history = 3};
}

std::vector<double> start_of(const std::string& function) {
  std::vector<double> x;
  if (function == "rosenbrock")
    for (int i = 0; i < 10; ++i) x.push_back(i % 2 == 0 ? -1.2 : 1.0);
  const Formula u("start");
  for (int64_t i = 0; x.size() < (function == "rosenbrock" ? 10u : 15u); ++i) x.push_back(u(i) * 2 - 1);
  return x;
}

TEST(Lbfgs, FiftyStepsEqualPyTorch) {
  std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/lbfgs/trajectories.txt");
  ASSERT_TRUE(in.good());
  std::string before;
  Lbfgs<double> optimiser;
  std::vector<double> x;
  int runs = 0, steps = 0;
  for (std::string text; std::getline(in, text); ++steps) {
    std::istringstream line(text);
    std::string function, name;
    int64_t step = 0, evaluations = 0;
    double loss = 0;
    line >> function >> name >> step >> evaluations >> loss;
    if (function + name != before) {
      before = function + name;
      optimiser = Lbfgs<double>(settings_of(name));
      x = start_of(function);
      ++runs;
    }
    SCOPED_TRACE(fmt::format("{} {} step {}", function, name, step));
    const double got = function == "rosenbrock" ? optimiser.step(x, rosenbrock<double>) : optimiser.step(x, regression);
    ASSERT_NEAR(got, loss, 1e-9 * std::max(1.0, std::abs(loss)));
    ASSERT_EQ(optimiser.evaluations(), evaluations);
    for (const double own : x) {
      double expected = std::numeric_limits<double>::quiet_NaN();
      line >> expected;
      ASSERT_NEAR(own, expected, 1e-9);
    }
  }
  EXPECT_EQ(runs, 7);
  EXPECT_EQ(steps, 350);
}

TEST(Lbfgs, FindsTheMinimumInSinglePrecision) {
  std::vector<float> x = {-1.2f, 1, -1.2f, 1};
  Lbfgs<float> optimiser({.line_search = true});
  double loss = 0;
  for (int i = 0; i < 10; ++i) loss = optimiser.step(x, rosenbrock<float>);
  EXPECT_LT(loss, 1e-8);
  for (const float v : x) EXPECT_NEAR(v, 1, 1e-3);
}

// On a quadratic of n dimensions with exact steps it needs about n directions, not hundreds.
TEST(Lbfgs, AQuadraticTakesFewDirections) {
  const auto quadratic = [](std::span<const double> x, std::span<double> gradient) {
    double value = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double curvature = std::pow(10.0, static_cast<double>(i) / 3);
      value += curvature * x[i] * x[i] / 2;
      gradient[i] = curvature * x[i];
    }
    return value;
  };
  std::vector<double> x(10, 1.0);
  Lbfgs<double> optimiser(
      {.iterations = 60, .evaluations = 1000, .gradient_tolerance = 1e-9, .change_tolerance = 0, .line_search = true});
  optimiser.step(x, quadratic);
  for (const double v : x) EXPECT_NEAR(v, 0, 1e-4);  // pairs with s · y below 1e-10 are not kept: slow from there on
}

TEST(Lbfgs, GoesOnFromItsStateToTheSameBits) {
  for (const char* name : {"wolfe20", "plain1", "short"}) {
    std::vector<double> x = start_of("regression");
    Lbfgs<double> whole(settings_of(name)), second(settings_of(name));
    second.restore(whole.state());  // at the very beginning too
    for (int i = 0; i < 3; ++i) whole.step(x, regression);
    second.restore(whole.state());
    std::vector<double> y = x;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(whole.step(x, regression), second.step(y, regression));
      EXPECT_EQ(x, y) << name;
    }
    EXPECT_EQ(whole.evaluations(), second.evaluations());
    LbfgsState bad = whole.state();
    bad.numbers.erase("scale");
    EXPECT_THROW(second.restore(bad), Error);
    bad = whole.state();
    bad.vectors.at("direction") = Tensor(DType::f64, {2});
    EXPECT_THROW(second.restore(bad), Error);
  }
}

// So many numbers that the threads share them: a picture of 300 x 300.
TEST(Lbfgs, TheSameBitsWithOneThreadAndWithTwo) {
  const auto run = [](int threads) {
    set_thread_count(threads);
    std::vector<float> x(270001, -1.2F);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = 1;
    Lbfgs<float> optimiser({.iterations = 6, .line_search = true});
    optimiser.step(x, rosenbrock<float>);
    return x;
  };
  const std::vector<float> one = run(1), two = run(2);
  set_thread_count(0);
  EXPECT_EQ(one, two);
  EXPECT_NE(one[1], -1.2F);
}

TEST(Lbfgs, StopsAtWhatIsNotFinite) {
  int calls = 0;
  const auto broken = [&](std::span<const double>, std::span<double> gradient) {
    std::fill(gradient.begin(), gradient.end(), 1.0);
    return ++calls > 2 ? std::numeric_limits<double>::quiet_NaN() : -calls;
  };
  for (const bool search : {false, true}) {
    calls = 0;
    std::vector<double> x(3, 0);
    Lbfgs<double> optimiser({.line_search = search});
    optimiser.step(x, broken);
    EXPECT_LE(calls, 60);
  }
  EXPECT_THROW(Lbfgs<double>({.rate = 0}), Error);
  EXPECT_THROW(Lbfgs<double>({.history = 0}), Error);
}

}  // namespace
}  // namespace fovea
