// Stages: where a network's resolution changes, what is left out, and networks that have none.
#include <gtest/gtest.h>

#include <functional>

#include "fovea/base/error.h"
#include "fovea/insight/features.h"
#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

class Stages : public testing::Test {
 protected:
  Stages() {
    model_.meaning.input = "x";
    model_.meaning.scores = "scores";
  }
  Value picture(int64_t side) { return input(model_.graph, "x", {DType::f32, {1, 3, side, side}}); }
  Value convolution(Value x, const std::string& name, int64_t units) {
    Graph& g = model_.graph;
    const Value w = parameter(g, name + ".w", {DType::f32, {units, g.shape(x)[1], 3, 3}});
    return g.add(ops::conv, {x, w}, ConvAttributes{.pad = {1}}, name);
  }
  Value halved(Value x) { return max_pool(model_.graph, x, {.kernel = {2, 2}, .stride = 2}); }
  // Seven classes by a matrix behind the maps' means.
  void scored(Value x) {
    Graph& g = model_.graph;
    const Value means = reduce(g, x, {.axes = {2, 3}});
    const Value w = parameter(g, "classes.w", {DType::f32, {g.shape(x)[1], 7}});
    g.outputs = {{"scores", matmul(g, means, w)}};
  }
  std::vector<std::string> names(size_t most = 8) const {
    std::vector<std::string> result;
    for (const Stage& stage : find_stages(model_, most)) result.push_back(stage.name);
    return result;
  }
  std::string refused() const {
    try {
      find_stages(model_);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      return e.message();
    }
    return "nothing was thrown";
  }
  Model model_;
};

using Names = std::vector<std::string>;

TEST_F(Stages, TheLastValueOfEachResolution) {
  Value x = convolution(picture(16), "a", 4);
  x = halved(convolution(x, "b", 4));
  scored(convolution(x, "c", 5));
  const std::vector<Stage> stages = find_stages(model_);
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].name, "b");
  EXPECT_EQ(stages[0].height, 16);
  EXPECT_EQ(stages[1].name, "c") << "not the pooling before it";
  EXPECT_EQ(stages[1].channels, 5);
  EXPECT_EQ(stages[1].height, 8);
  EXPECT_FALSE(stages[0].classes);
  EXPECT_FALSE(stages[1].classes);
}

// Maps behind the last weights, as many as scores: they are a stage of their own.
TEST_F(Stages, MapsOfClasses) {
  const Value x = halved(convolution(picture(16), "a", 5));
  const Value maps = convolution(x, "maps", 5);
  Graph& g = model_.graph;
  g.outputs = {{"scores", reduce(g, maps, {.axes = {2, 3}})}};
  const std::vector<Stage> stages = find_stages(model_);
  ASSERT_EQ(stages.size(), 3u);
  EXPECT_EQ(stages[0].name, "a");
  EXPECT_FALSE(stages[0].classes) << "five units, but weights follow";
  EXPECT_FALSE(stages[1].classes);
  EXPECT_EQ(stages[2].name, "maps");
  EXPECT_TRUE(stages[2].classes);
  EXPECT_EQ(stages[1].height, stages[2].height);
}

TEST_F(Stages, WhatAnEdgeJumpsOverIsNone) {
  const Value a = convolution(picture(16), "a", 4);
  const Value b = halved(convolution(a, "b", 4));
  // Both ways to the scores: nothing after a is passed by everything, until they meet.
  Graph& g = model_.graph;
  const Value one = reduce(g, b, {.axes = {2, 3}}), other = reduce(g, a, {.axes = {2, 3}});
  g.outputs = {{"scores", add(g, one, other)}};
  EXPECT_EQ(names(), Names{"a"});
}

TEST_F(Stages, WhatTheScoresDoNotNeedIsNone) {
  const Value a = convolution(picture(16), "a", 4);
  scored(halved(a));
  model_.graph.outputs.push_back({"more", convolution(halved(a), "unused", 4)});
  for (const std::string& name : names()) EXPECT_NE(name, "unused");
}

TEST_F(Stages, TheFirstAndTheLastOfManyAreKept) {
  Value x = convolution(picture(128), "s0", 4);
  for (int i = 1; i < 6; ++i) x = convolution(halved(x), "s" + std::to_string(i), 4);
  scored(x);
  EXPECT_EQ(names(), (Names{"s0", "s1", "s2", "s3", "s4", "s5"}));
  const Names three = names(3);
  ASSERT_EQ(three.size(), 3u);
  EXPECT_EQ(three.front(), "s0");
  EXPECT_EQ(three.back(), "s5");
  EXPECT_EQ(names(1), (Names{"s0", "s5"}));
  EXPECT_EQ(names(0), (Names{"s0", "s5"}));
}

TEST_F(Stages, ANetworkOfSinglePositionsHasNone) {
  const Value x = picture(16);
  Graph& g = model_.graph;
  const Value pooled = global_average_pool(g, x);
  const Value w = parameter(g, "w", {DType::f32, {5, 3, 1, 1}});
  g.outputs = {{"scores", relu(g, conv(g, pooled, w))}};
  EXPECT_TRUE(find_stages(model_).empty());
}

TEST_F(Stages, ScoresThatDoNotDependOnThePicture) {
  picture(16);
  Graph& g = model_.graph;
  g.outputs = {{"scores", parameter(g, "bias", {DType::f32, {1, 5}})}};
  EXPECT_TRUE(find_stages(model_).empty());
}

TEST_F(Stages, OneNumberAsScore) {
  const Value x = convolution(picture(16), "a", 4);
  Graph& g = model_.graph;
  g.outputs = {{"scores", reduce(g, x)}};
  ASSERT_EQ(g.shape(g.outputs[0].value).rank(), 0);
  EXPECT_EQ(names(), Names{"a"});
}

TEST_F(Stages, WithoutPictureOrScoresItIsSaid) {
  scored(convolution(picture(16), "a", 4));
  model_.meaning.input = "y";
  const std::string no_picture = refused();
  EXPECT_NE(no_picture.find("takes no picture"), std::string::npos) << no_picture;
  EXPECT_NE(no_picture.find("inputs: x "), std::string::npos) << no_picture;
  model_.meaning.input = "x";
  model_.meaning.scores = "guesses";
  const std::string no_scores = refused();
  EXPECT_NE(no_scores.find("no output that scores classes"), std::string::npos) << no_scores;
  model_.meaning.scores.clear();
  EXPECT_EQ(refused(), no_scores);
}

}  // namespace
}  // namespace fovea
