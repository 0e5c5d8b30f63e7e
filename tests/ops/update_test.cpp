// update against its own decomposition, and what it refuses.
#include "fovea/ops/update.h"

#include <gtest/gtest.h>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/input.h"
#include "tests/conformance/cases.h"

namespace fovea {
namespace {

TEST(Update, EveryCaseEqualsItsDecomposition) {
  for (const Case& test : ops::update.cases()) {
    testing::Built built = testing::build(ops::update, test, DType::f64, 1);
    const auto whole = evaluate(built.graph, built.feeds, built.outputs);
    const Node node = built.graph.node(built.outputs[0]);
    const auto parts = ops::update.decompose(built.graph, node, node.inputs);
    ASSERT_EQ(parts.size(), whole.size()) << test.name;
    const auto composed = evaluate(built.graph, built.feeds, parts);
    for (size_t k = 0; k < whole.size(); ++k)
      for (int64_t i = 0; i < whole[k].count(); ++i)
        ASSERT_NEAR(composed[k].at(i), whole[k].at(i), 1e-14 * (1 + std::abs(whole[k].at(i))))
            << test.name << " output " << k << " element " << i;
  }
}

TEST(Update, WhatDoesNotFitIsRefused) {
  Graph g;
  const Value w = parameter(g, "w", {DType::f32, {4}}), v = input(g, "v", {DType::f32, {4}});
  const Value other = input(g, "other", {DType::f32, {5}}), rate = input(g, "rate", {DType::f32, {}});
  EXPECT_THROW(update(g, {.rate = rate}, {{w, other, {}}}, {}), Error);
  EXPECT_THROW(update(g, {.rate = other}, {{w, v, {}}}, {}), Error);
  EXPECT_THROW(update(g, {.rate = rate}, {{w, v, {}}}, {.kind = "sdg"}), Error);
  EXPECT_THROW(g.add(ops::update, {rate, {}, {}, {}, {}, w}, UpdateAttributes{}), Error);
}

}  // namespace
}  // namespace fovea
