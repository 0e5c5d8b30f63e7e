// For every listed operator and case, every choice of the CPU backend: agrees with the reference in double, overwrites
// poisoned outputs wholly, gives the same bits again, and the same on one thread as on several (weight gradients
// excepted: oneDNN splits their sums by thread).
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/input.h"
#include "fovea/ops/list.h"
#include "tests/backend/lowered.h"
#include "tests/conformance/subjects.h"

namespace fovea::testing {
namespace {

// Leaves are not lowered.
std::vector<Subject> lowered_subjects() {
  std::vector<Subject> result = subjects();
  std::erase_if(result, [](const Subject& s) { return s.op == &ops::constant; });
  return result;
}

class Cpu : public ::testing::TestWithParam<Subject> {};

void expect_close(const Tensor& got, const Tensor& want, double relative, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape());
  if (!is_float(got.dtype())) {
    EXPECT_TRUE(got.same_bits(want)) << what;
    return;
  }
  double most = 0;
  for (int64_t i = 0; i < want.count(); ++i)
    if (std::isfinite(want.at(i))) most = std::max(most, std::abs(want.at(i)));
  for (int64_t i = 0; i < want.count(); ++i) {
    if (std::isnan(want.at(i))) {
      EXPECT_TRUE(std::isnan(got.at(i))) << what << " element " << i;
    } else if (std::isinf(want.at(i))) {
      EXPECT_EQ(got.at(i), want.at(i)) << what << " element " << i;
    } else {
      ASSERT_NEAR(got.at(i), want.at(i), relative * most)
          << what << " element " << i << " of " << to_string(want.shape());
    }
  }
}

double relative_tolerance(const Op& op, const Case& test, const Built& built) {
  const Node& node = built.graph.node(built.outputs[0]);
  std::vector<Type> types;
  for (const Value input : node.inputs) types.push_back(input ? built.graph.type(input) : Type{DType::f32, {0}});
  const auto elements = std::max<double>(1, static_cast<double>(node.outputs[0].shape.count()));
  const double each = op.cost ? op.cost(node, types).flops / elements : 1;
  return test.tolerance * 2 * 1.2e-7 * std::max(1.0, each);
}

TEST_P(Cpu, AgreesWithTheReference) {
  const auto& [op, test] = GetParam();
  const auto backend = cpu_backend();
  const Built built = build(*op, test, DType::f32, 1), exact = build(*op, test, DType::f64, 1);
  const auto want = evaluate(exact.graph, exact.feeds, exact.outputs);
  const bool splits_sums = op->name == "conv_weight_gradient";
  const double tolerance = relative_tolerance(*op, test, built);
  constexpr auto kBlocked = [](const Type& type) { return cpu::layout_in(cpu::blocked_format(), type); };
  for (const bool constant : {true, false})
    for (Layout (*offer)(const Type&) :
         {static_cast<Layout (*)(const Type&)>(nullptr), static_cast<Layout (*)(const Type&)>(kBlocked)}) {
      const Lowered once = run_lowered(*backend, built, {.constant = constant, .offer = offer});
      ASSERT_FALSE(once.outputs.empty());
      const Lowered again = run_lowered(*backend, built, {.constant = constant, .repeat = true, .offer = offer});
      const int threads = thread_count();
      set_thread_count(1);
      const Lowered alone = run_lowered(*backend, built, {.constant = constant, .offer = offer});
      set_thread_count(threads);
      for (size_t choice = 0; choice < once.outputs.size(); ++choice)
        for (size_t k = 0; k < want.size(); ++k) {
          const std::string what =
              fmt::format("{} output {}; {}", once.answer.choices[choice].implementation, k, repro(*op, test, 1));
          expect_close(once.outputs[choice][k], want[k], tolerance, what);
          EXPECT_TRUE(once.outputs[choice][k].same_bits(again.outputs[choice][k])) << "not repeatable: " << what;
          if (!splits_sums && choice < alone.outputs.size())
            EXPECT_TRUE(once.outputs[choice][k].same_bits(alone.outputs[choice][k])) << "depends on threads: " << what;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(AllOps, Cpu, ::testing::ValuesIn(lowered_subjects()), [](const auto& subject) {
  return fmt::format("{}_{}_{}", subject.param.op->name, subject.param.test.name, subject.index);
});

}  // namespace
}  // namespace fovea::testing
