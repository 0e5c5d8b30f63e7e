#include "fovea/insight/unit_inputs.h"

#include <gtest/gtest.h>

#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

struct Net {
  Model model;
  Value left, right, mixed, grouped;
  Value parameter_of(const char* name, Shape shape, const std::vector<float>& values) {
    model.weights[name] = Tensor::of<float>(shape, values);
    return parameter(model.graph, name, {DType::f32, shape});
  }
};

// Two branches of 2 and 1 units join; a 1x1 convolution mixes the three; another has two groups.
Net branches() {
  Net n;
  Graph& g = n.model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 2, 2}});
  n.left = relu(g, conv(g, x, n.parameter_of("l", {2, 1, 1, 1}, {1, 1})));
  n.right = relu(g, conv(g, x, n.parameter_of("r", {1, 1, 1, 1}, {1})));
  const Value joined = concat(g, {n.left, n.right});
  n.mixed = relu(g, conv(g, joined, n.parameter_of("m", {2, 3, 1, 2}, {1, -2, 3, 4, 0, 0.5f, 0, 0, 1, 1, -9, 1}), {},
                         {.pad = {0, 1}}));
  n.grouped = conv(g, n.mixed, n.parameter_of("g", {2, 1, 1, 1}, {-5, 6}), {}, {.groups = 2});
  return n;
}

TEST(UnitInputs, ThroughAJoinAlongTheChannels) {
  const Net n = branches();
  const std::vector<Value> layers = {n.left, n.right, n.mixed};
  const auto inputs = unit_inputs(n.model, layers, 2, 2);
  ASSERT_EQ(inputs.size(), 2u);
  ASSERT_EQ(inputs[0].size(), 2u);  // of three
  EXPECT_EQ(inputs[0][0].layer, 0u);
  EXPECT_EQ(inputs[0][0].unit, 1);
  EXPECT_DOUBLE_EQ(inputs[0][0].norm, 5);
  EXPECT_DOUBLE_EQ(inputs[0][0].weight, 7);
  EXPECT_EQ(inputs[0][1].unit, 0);
  EXPECT_DOUBLE_EQ(inputs[0][1].weight, -1);
  EXPECT_EQ(inputs[1][0].layer, 1u);
  EXPECT_EQ(inputs[1][0].unit, 0);
  EXPECT_DOUBLE_EQ(inputs[1][0].weight, -8);
}

TEST(UnitInputs, GroupsAndFirstLayers) {
  const Net n = branches();
  const std::vector<Value> layers = {n.left, n.mixed, n.grouped};
  const auto inputs = unit_inputs(n.model, layers, 2, 9);
  for (size_t u : {0u, 1u}) {
    ASSERT_EQ(inputs[u].size(), 1u);
    EXPECT_EQ(inputs[u][0].layer, 1u);
    EXPECT_EQ(inputs[u][0].unit, static_cast<int64_t>(u));
  }
  EXPECT_DOUBLE_EQ(inputs[0][0].weight, -5);
  EXPECT_TRUE(unit_inputs(n.model, layers, 0, 9)[0].empty());  // made from pixels
  // A branch that was not asked about is left out.
  const auto mixed = unit_inputs(n.model, layers, 1, 9);
  EXPECT_EQ(mixed[1].size(), 2u);
  for (const UnitInput& input : mixed[1]) EXPECT_EQ(input.layer, 0u);
}

// A fully connected layer behind flattened maps: the positions of one map are one input.
TEST(UnitInputs, BehindFlattenedMaps) {
  for (const bool turned : {false, true}) {
    Net n;
    Graph& g = n.model.graph;
    const Value x = input(g, "x", {DType::f32, {1, 1, 1, 2}});
    const Value maps = relu(g, conv(g, x, n.parameter_of("c", {2, 1, 1, 1}, {1, 1})));
    const Value flat = flatten(g, maps);
    // [unit][map][position]: 1 2 | 3 4 and 0 1 | -1 -1 and 0 0 | 0 2
    const Value scores =
        turned
            ? gemm(g, flat, n.parameter_of("w", {3, 4}, {1, 2, 3, 4, 0, 1, -1, -1, 0, 0, 0, 2}), {}, {.trans_b = true})
            : add(g, matmul(g, flat, n.parameter_of("w", {4, 3}, {1, 0, 0, 2, 1, 0, 3, -1, 0, 4, -1, 2})),
                  n.parameter_of("b", {3}, {0, 0, 0}));
    const auto inputs = unit_inputs(n.model, std::vector<Value>{maps, scores}, 1, 5);
    ASSERT_EQ(inputs.size(), 3u);
    for (const auto& own : inputs) ASSERT_EQ(own.size(), 2u);
    EXPECT_EQ(inputs[0][0].unit, 1);
    EXPECT_DOUBLE_EQ(inputs[0][0].weight, 7);
    EXPECT_DOUBLE_EQ(inputs[0][0].norm, 5);
    EXPECT_EQ(inputs[1][0].unit, 1);
    EXPECT_DOUBLE_EQ(inputs[1][0].weight, -2);
    EXPECT_EQ(inputs[2][0].unit, 1);
    EXPECT_DOUBLE_EQ(inputs[2][1].norm, 0);
  }
}

TEST(UnitInputs, ThroughGlobalPooling) {
  Net n;
  Graph& g = n.model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 2, 2}});
  const Value maps = relu(g, conv(g, x, n.parameter_of("c", {2, 1, 1, 1}, {1, 1})));
  const Value pooled = reduce(g, maps, {.kind = "max", .axes = {2, 3}});
  const Value scores = matmul(g, pooled, n.parameter_of("w", {2, 2}, {1, 2, -3, 0}));
  const auto inputs = unit_inputs(n.model, std::vector<Value>{maps, scores}, 1, 1);
  EXPECT_EQ(inputs[0][0].unit, 1);
  EXPECT_DOUBLE_EQ(inputs[0][0].weight, -3);
  EXPECT_EQ(inputs[1][0].unit, 0);
}

}  // namespace
}  // namespace fovea
