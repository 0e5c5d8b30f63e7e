// For every listed operator and case: what the reference writes is complete and has the inferred shapes, and its
// gradient agrees with central differences in double.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/input.h"
#include "fovea/ops/list.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/subjects.h"

namespace fovea::testing {
namespace {

class Reference : public ::testing::TestWithParam<Subject> {};

TEST_P(Reference, WritesEveryOutput) {
  const auto& [op, test] = GetParam();
  const Built built = build(*op, test, DType::f32, 1);
  verify(built.graph);
  const auto results = evaluate(built.graph, built.feeds, built.outputs);
  for (const Tensor& t : results) {
    if (!is_float(t.dtype())) continue;
    for (int64_t i = 0; i < t.count(); ++i) {
      ASSERT_FALSE(std::isnan(t.at(i))) << "element " << i << " was not written; " << repro(*op, test, 1);
    }
  }
}

TEST_P(Reference, GradientAgreesWithCentralDifferences) {
  const auto& [op, test] = GetParam();
  if (!op->gradient) {
    EXPECT_FALSE(op->no_gradient.empty()) << op->name << " must say why it has no gradient";
    return;
  }
  if (!test.gradient) return;
  for (uint64_t key = 1; key <= 2; ++key) {
    Built built = build(*op, test, DType::f64, key);
    Graph& g = built.graph;
    // loss = Σ_k ⟨v_k, output_k⟩ with random v.
    Value loss;
    for (size_t k = 0; k < built.outputs.size(); ++k) {
      if (!is_float(g.dtype(built.outputs[k]))) continue;
      Tensor v(DType::f64, g.shape(built.outputs[k]));
      for (int64_t i = 0; i < v.count(); ++i)
        v.set(i, Rng(key).fork("v").fork(k).uniform_double(static_cast<uint64_t>(i)) * 2 - 1);
      const Value term = reduce(g, mul(g, built.outputs[k], constant(g, v)));
      loss = loss ? add(g, loss, term) : term;
    }
    ASSERT_TRUE(loss) << repro(*op, test, key);
    ASSERT_FALSE(built.differentiable.empty()) << repro(*op, test, key);
    const std::vector<Value> d = gradient(g, loss, built.differentiable);
    const std::vector<Tensor> gradients = evaluate(g, built.feeds, d);
    for (size_t i = 0; i < built.differentiable.size(); ++i) {
      const std::string& name = g.node(built.differentiable[i]).name;
      const Tensor x = built.feeds.at(name);
      Tensor u(DType::f64, x.shape());
      for (int64_t e = 0; e < u.count(); ++e)
        u.set(e, Rng(key).fork("u").fork(i).uniform_double(static_cast<uint64_t>(e)) * 2 - 1);
      double analytic = 0, scale = 0;
      for (int64_t e = 0; e < u.count(); ++e) {
        analytic += u.at(e) * gradients[i].at(e);
        scale += std::abs(u.at(e) * gradients[i].at(e));
      }
      const auto loss_at = [&](double step) {
        auto feeds = built.feeds;
        Tensor moved = x;
        for (int64_t e = 0; e < u.count(); ++e) moved.set(e, x.at(e) + step * u.at(e));
        feeds[name] = moved;
        const Value wants[] = {loss};
        return evaluate(g, feeds, wants)[0].at(0);
      };
      constexpr double h = 1e-5;
      const double numeric = (loss_at(h) - loss_at(-h)) / (2 * h);
      EXPECT_NEAR(numeric, analytic, 1e-6 * std::max(scale, 1e-3)) << "input " << name << "; " << repro(*op, test, key);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllOps, Reference, ::testing::ValuesIn(subjects()), [](const auto& subject) {
  return fmt::format("{}_{}_{}", subject.param.op->name, subject.param.test.name, subject.index);
});

}  // namespace
}  // namespace fovea::testing
