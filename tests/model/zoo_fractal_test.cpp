// Fractal networks: the recursion, its depth and its joins, for several numbers of blocks and columns.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/model/initialise.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/fractalnet.h"
#include "fovea/ops/dropout.h"

namespace fovea {
namespace {

struct Size {
  int64_t blocks, columns;
};
constexpr Size kSizes[] = {{1, 1}, {1, 2}, {2, 3}, {3, 4}, {5, 3}, {5, 4}, {6, 2}, {1, 6}};

int64_t longest_way(const Graph& graph) {
  std::vector<int64_t> longest(static_cast<size_t>(graph.size()), 0);
  for (int i = 0; i < graph.size(); ++i) {
    int64_t most = 0;
    for (const Value v : graph.node(i).inputs)
      if (v) most = std::max(most, longest[static_cast<size_t>(v.node)]);
    longest[static_cast<size_t>(i)] = most + (graph.node(i).op->name == "conv");
  }
  return longest.back();
}

// 9 C I O + 9 (2^C − 1 − C) O² + 2 O (2^C − 1) a block, then 10 classes.
int64_t parameters_by_hand(int64_t blocks, int64_t columns, int64_t width) {
  const int64_t layers = (int64_t{1} << columns) - 1;
  int64_t total = 0, in = 3;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t out = width * std::min<int64_t>(int64_t{1} << b, 8);
    total += 9 * columns * in * out + 9 * (layers - columns) * out * out + 2 * out * layers;
    in = out;
  }
  return total + in * 10 + 10;
}

TEST(ZooFractal, DepthAndParametersFollowTheFormula) {
  for (const auto& [blocks, columns] : kSizes) {
    SCOPED_TRACE(fmt::format("{} blocks of {} columns", blocks, columns));
    const Architecture a = fractalnet(blocks, columns, 16);
    const Model model = build(a);
    EXPECT_EQ(a.depth, blocks * (int64_t{1} << (columns - 1)));
    EXPECT_EQ(longest_way(model.graph), a.depth);
    EXPECT_EQ(statistics_of(model).parameters, parameters_by_hand(blocks, columns, 16));
  }
}

TEST(ZooFractal, PublishedNetworks) {
  const Architecture *twenty = find_architecture("fractalnet_cifar"), *forty = find_architecture("fractalnet40_cifar");
  ASSERT_TRUE(twenty && forty);
  EXPECT_EQ(twenty->depth, 20);
  EXPECT_EQ(forty->depth, 40);
  const int64_t count = statistics_of(build(*twenty)).parameters, count40 = statistics_of(build(*forty)).parameters;
  EXPECT_EQ(count, parameters_by_hand(5, 3, 64));
  EXPECT_EQ(count40, parameters_by_hand(5, 4, 16));
  // The paper's table of ultra-deep networks: 2.1 M for 3 columns, 4.8 M for 4, 21.1 M for 6, all of width 16.
  EXPECT_NEAR(static_cast<double>(count40), 4.8e6, 5e4);
  EXPECT_NEAR(static_cast<double>(statistics_of(build(fractalnet(5, 3, 16))).parameters), 2.1e6, 5e4);
  EXPECT_NEAR(static_cast<double>(statistics_of(build(fractalnet(5, 6, 16))).parameters), 21.1e6, 1e5);
}

// Told by time: in a block of depth 2^(C−1), column c has ended its k-th layer at step k · 2^(C−c). Where at least two
// columns end at one step, they join; all of them go on from there.
TEST(ZooFractal, JoinsAreWhereColumnsEndTogether) {
  for (const auto& [blocks, columns] : kSizes) {
    SCOPED_TRACE(fmt::format("{} blocks of {} columns", blocks, columns));
    const Graph graph = build(fractalnet(blocks, columns, 4)).graph;
    const auto joins = fractal_joins(graph);
    size_t found = 0;
    for (int64_t block = 1; block <= blocks; ++block)
      for (int64_t step = 1, index = 0; step <= int64_t{1} << (columns - 1); ++step) {
        std::vector<int64_t> ending;
        for (int64_t c = 1; c <= columns; ++c)
          if (step % (int64_t{1} << (columns - c)) == 0) ending.push_back(c);
        if (ending.size() < 2) continue;
        ASSERT_LT(found, joins.size());
        const FractalJoin& join = joins[found++];
        EXPECT_EQ(join.block, block);
        EXPECT_EQ(join.index, ++index);
        EXPECT_EQ(join.columns, ending);
        EXPECT_EQ(graph.node(join.output).name, fmt::format("block{}.join{}", block, index));
        ASSERT_EQ(join.inputs.size(), ending.size());
        for (size_t k = 0; k < ending.size(); ++k)
          EXPECT_EQ(graph.node(join.inputs[k]).name, fmt::format("block{}.column{}.relu{}", block, ending[k],
                                                                 step / (int64_t{1} << (columns - ending[k]))));
      }
    EXPECT_EQ(found, joins.size());
  }
  EXPECT_TRUE(fractal_joins(build(*find_architecture("resnet18")).graph).empty());
}

std::map<std::string, Tensor> feeds_of(const Graph& graph) {
  std::map<std::string, Tensor> feeds;
  for (auto& [name, tensor] : initial_weights(graph, 2)) feeds[name] = tensor;
  const Value x = graph.inputs()[0];
  Tensor picture(DType::f32, graph.shape(x));
  for (int64_t i = 0; i < picture.count(); ++i) picture.set(i, Rng(9).normal(static_cast<uint64_t>(i)));
  feeds["input"] = picture;
  return feeds;
}

TEST(ZooFractal, JoinsAreMeans) {
  const Graph graph = build(fractalnet(2, 4, 4), {.height = 6, .width = 5}).graph;
  const auto feeds = feeds_of(graph);
  for (const FractalJoin& join : fractal_joins(graph)) {
    std::vector<Value> wants = join.inputs;
    wants.push_back(join.output);
    const auto values = evaluate(graph, feeds, wants);
    for (int64_t i = 0; i < values.back().count(); ++i) {
      double sum = 0;
      for (size_t k = 0; k + 1 < values.size(); ++k) sum += values[k].at(i);
      EXPECT_NEAR(values.back().at(i), sum / static_cast<double>(values.size() - 1), 1e-5);
    }
  }
}

// The convolutions of each column follow each other: what a layer reads is the layer before it in its column, or a join
// that its column takes part in, or the block's input.
TEST(ZooFractal, ColumnsHaveTheirLayers) {
  constexpr int64_t kColumns = 4;
  const Graph graph = build(fractalnet(2, kColumns, 4)).graph;
  for (int64_t c = 1; c <= kColumns; ++c) {
    const int64_t layers = int64_t{1} << (c - 1);
    for (int64_t k = 1; k <= layers; ++k) EXPECT_GE(graph.find(fmt::format("block2.column{}.conv{}", c, k)), 0);
    EXPECT_EQ(graph.find(fmt::format("block2.column{}.conv{}", c, layers + 1)), -1);
    EXPECT_GE(graph.find(fmt::format("block2.column{}.conv{}.weight", c, layers)), 0);
    const Node& first = graph.node(graph.find(fmt::format("block2.column{}.conv1", c)));
    EXPECT_EQ(graph.node(first.inputs[0]).name, "block1.pool");
  }
  const auto input_of = [&](const char* name) { return graph.node(graph.node(graph.find(name)).inputs[0]).name; };
  EXPECT_EQ(input_of("block1.column4.conv2"), "block1.column4.relu1");
  EXPECT_EQ(input_of("block1.column4.conv3"), "block1.join1");
  EXPECT_EQ(input_of("block1.column3.conv2"), "block1.join1");
  EXPECT_EQ(input_of("block1.column2.conv2"), "block1.join2");
  EXPECT_EQ(input_of("block1.column3.conv3"), "block1.join2");
}

TEST(ZooFractal, DropoutGrowsWithTheBlocks) {
  const Graph graph = build(fractalnet(5, 3)).graph;
  EXPECT_EQ(graph.find("block1.column3.dropout1"), -1);
  for (int64_t block = 2; block <= 5; ++block) {
    const int node = graph.find(fmt::format("block{}.column3.dropout4", block));
    ASSERT_GE(node, 0);
    EXPECT_DOUBLE_EQ(graph.node(node).attributes.as<DropoutAttributes>().rate, 0.1 * static_cast<double>(block - 1));
  }
}

TEST(ZooFractal, NonsenseIsRefused) {
  EXPECT_THROW(fractalnet(0, 3), Error);
  EXPECT_THROW(fractalnet(5, 0), Error);
  EXPECT_THROW(fractalnet(5, 11), Error);
  EXPECT_THROW(fractalnet(11, 3), Error);
  EXPECT_THROW(fractalnet(5, 3, 0), Error);
}

}  // namespace
}  // namespace fovea
