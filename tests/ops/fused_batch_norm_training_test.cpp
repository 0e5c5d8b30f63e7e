// fused_batch_norm_training and its gradients against their own decompositions, and what they refuse.
#include "fovea/ops/fused_batch_norm_training.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/input.h"
#include "tests/conformance/cases.h"

namespace fovea {
namespace {

const Op* const kOps[] = {&ops::fused_batch_norm_training, &ops::fused_batch_norm_training_gradient,
                          &ops::fused_batch_norm_training_gradient_of_sum};

TEST(FusedBatchNormTraining, EveryCaseEqualsItsDecomposition) {
  for (const Op* op : kOps)
    for (const Case& test : op->cases()) {
      testing::Built built = testing::build(*op, test, DType::f64, 1);
      const auto whole = evaluate(built.graph, built.feeds, built.outputs);
      const Node node = built.graph.node(built.outputs[0]);
      const auto parts = op->decompose(built.graph, node, node.inputs);
      ASSERT_EQ(parts.size(), whole.size()) << test.name;
      const auto composed = evaluate(built.graph, built.feeds, parts);
      for (size_t k = 0; k < whole.size(); ++k)
        for (int64_t i = 0; i < whole[k].count(); ++i)
          ASSERT_NEAR(composed[k].at(i), whole[k].at(i), 1e-12 * (1 + std::abs(whole[k].at(i))))
              << op->name << " " << test.name << " output " << k << " element " << i;
    }
}

TEST(FusedBatchNormTraining, WhatDoesNotFitIsRefused) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {2, 3, 4, 4}}), c = input(g, "c", {DType::f32, {3}});
  const Value other = input(g, "other", {DType::f32, {2, 3, 4, 5}}), none;
  const auto with = [](std::string activation) {
    return FusedBatchNormTrainingAttributes{.activation = std::move(activation)};
  };
  EXPECT_NO_THROW(g.add(ops::fused_batch_norm_training, {x, c, c, x}, with("relu")));
  EXPECT_THROW(g.add(ops::fused_batch_norm_training, {x, c, c, other}, with("relu")), Error);
  EXPECT_THROW(g.add(ops::fused_batch_norm_training, {x, c, c}, with("tanh")), Error);
  const Op& gradient = ops::fused_batch_norm_training_gradient;
  EXPECT_NO_THROW(g.add(gradient, {x, x, c, c, c, c, none}, with("relu")));
  EXPECT_NO_THROW(g.add(gradient, {x, x, c, c, c, none, x}, with("relu")));
  EXPECT_THROW(g.add(gradient, {x, x, c, c, c, none, none}, with("relu")), Error);
  EXPECT_THROW(g.add(gradient, {x, x, c, c, c, c, x}, with("relu")), Error);
  EXPECT_THROW(g.add(gradient, {x, x, c, c, c, c, none}, with("")), Error);
  EXPECT_THROW(g.add(gradient, {x, x, c, c, c, none, other}, with("relu")), Error);
  const Op& of_sum = ops::fused_batch_norm_training_gradient_of_sum;
  EXPECT_NO_THROW(g.add(of_sum, {x, x, c, c, c, none, x, x}, with("relu")));
  EXPECT_THROW(g.add(of_sum, {x, x, c, c, c, none, x}, with("relu")), Error);
  EXPECT_THROW(g.add(of_sum, {x, x, c, c, c, none, x, other}, with("relu")), Error);
}

}  // namespace
}  // namespace fovea
