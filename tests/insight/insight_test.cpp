// The insights on a network small enough to know what they must find.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/backend.h"
#include "fovea/data/drawn.h"
#include "fovea/insight/dead_units.h"
#include "fovea/insight/features.h"
#include "fovea/insight/filters.h"
#include "fovea/insight/guesses.h"
#include "fovea/insight/saliency.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

// Two units on a 6x6 grey picture: the pixel itself, and one that can never fire. The scores are their sums.
Model tiny() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 6, 6}});
  const Value y =
      relu(g, conv(g, x, parameter(g, "w", {DType::f32, {2, 1, 1, 1}}), parameter(g, "b", {DType::f32, {2}})));
  g.outputs = {{"scores", reduce(g, y, {.axes = {2, 3}})}};
  model.weights["w"] = Tensor::of<float>({2, 1, 1, 1}, {1, 0});
  model.weights["b"] = Tensor::of<float>({2}, {0, -1});
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  return model;
}

Tensor one_pixel() {
  Tensor t(DType::f32, {1, 1, 6, 6});
  t.set(2 * 6 + 3, 5);
  t.set(0, -1);
  return t;
}

TEST(Insight, StrongestMapAndItsPlace) {
  const Model model = tiny();
  const std::vector<Stage> stages = find_stages(model);
  ASSERT_EQ(stages.size(), 1u);
  Tensor value(DType::f32, {1, 2, 6, 6});
  value.set(36 + 2 * 6 + 3, 7);
  const auto maps = strongest_maps(stages[0], value, 5, 6, 6);
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps[0].unit, 1);
  EXPECT_EQ(maps[0].peak_y, 2);
  EXPECT_EQ(maps[0].peak_x, 3);
  EXPECT_EQ(maps[0].seen_x.begin, 3);
  EXPECT_EQ(maps[0].seen_x.end, 4);
}

TEST(Insight, SaliencyIsTheGradient) {
  const Model model = tiny();
  AttributionNetwork network(model, reference_backend());
  const std::vector<float> map = gradient_map(network, one_pixel(), 0, {}).values;
  for (int i = 0; i < 36; ++i) EXPECT_EQ(map[static_cast<size_t>(i)], i == 15 ? 1.0f : 0.0f) << i;
}

TEST(Insight, DeadUnitsAreFound) {
  const auto activity = unit_activity(tiny(), probes(one_pixel(), 1), reference_backend());
  ASSERT_EQ(activity.size(), 1u);
  EXPECT_EQ(activity[0].dead, std::vector<int64_t>{1});
}

TEST(Insight, FiltersKeepTheirOwnRange) {
  FirstLayer layer{0, Tensor::of<float>({1, 3, 1, 2}, {-1, 0, 1, 2, 3, 3}), true};
  const Image rgb = filter_images(layer, "rgb")[0], bgr = filter_images(layer, "bgr")[0];
  EXPECT_EQ(rgb.at(0, 0, 0), 0);
  EXPECT_EQ(rgb.at(0, 0, 2), 255);
  EXPECT_EQ(bgr.at(0, 0, 0), 255);
}

TEST(Insight, ScoresBecomeProbabilities) {
  const auto guesses = best_guesses(Tensor::of<float>({1, 3}, {0, std::log(3.0f), -1e30f}), {}, 5);
  ASSERT_EQ(guesses.size(), 3u);
  EXPECT_EQ(guesses[0].index, 1);
  EXPECT_NEAR(guesses[0].probability, 0.75, 1e-6);
}

TEST(DrawnShapes, SameIndexSamePicture) {
  const DrawnShapes a(10, 32, 5), b(10, 32, 5), c(10, 32, 6);
  EXPECT_EQ(a.get(3).image, b.get(3).image);
  EXPECT_NE(a.get(3).image, c.get(3).image);
  EXPECT_THROW(a.get(10), Error);
}

}  // namespace
}  // namespace fovea
