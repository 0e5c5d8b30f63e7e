// The gradients of smooth elementwise operators are made of operators that have gradients again: the second derivative
// agrees with central differences of the first, in double.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/list.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"
#include "tests/conformance/cases.h"

namespace fovea::testing {
namespace {

class SecondOrder : public ::testing::TestWithParam<const char*> {};

TEST_P(SecondOrder, AgreesWithCentralDifferencesOfTheFirst) {
  const Op* op = find_op(GetParam());
  ASSERT_NE(op, nullptr);
  for (const Case& test : op->cases()) {
    if (!test.gradient) continue;
    Built built = build(*op, test, DType::f64, 1);
    Graph& g = built.graph;
    const Value x = built.differentiable.at(0);
    const std::string name = g.node(x).name;
    // A loss that is not linear in the output, so that linear operators are tested too.
    const Value loss = reduce(g, mul(g, built.outputs[0], built.outputs[0]));
    const Value wrt[] = {x};
    const Value sum = reduce(g, gradient(g, loss, wrt)[0]);
    const Value wants[] = {gradient(g, sum, wrt)[0], sum};
    const auto at = [&](double step, size_t want) {
      auto feeds = built.feeds;
      for (int64_t i = 0; i < feeds[name].count(); ++i) feeds[name].set(i, feeds[name].at(i) + step);
      const std::vector<double> values = evaluate(g, feeds, wants)[want].to_doubles();
      double total = 0;
      for (const double v : values) total += v;
      return total;
    };
    constexpr double h = 1e-5;
    const double analytic = at(0, 0), numeric = (at(h, 1) - at(-h, 1)) / (2 * h);
    EXPECT_NEAR(analytic, numeric, 1e-5 * (1 + std::abs(numeric))) << repro(*op, test, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Elementwise, SecondOrder,
                         ::testing::Values("abs", "exp", "log", "sqrt", "reciprocal", "sigmoid", "tanh", "softplus",
                                           "softsign", "elu", "selu", "celu", "leaky_relu", "prelu", "hard_swish",
                                           "mish", "gelu", "erf", "sin", "cos", "clip", "mul", "div", "sub", "pow",
                                           "max", "min", "where", "slice", "pad", "gather", "concat", "cumsum", "tile",
                                           "depth_to_space", "transpose"),
                         [](const auto& subject) { return std::string(subject.param); });

}  // namespace
}  // namespace fovea::testing
