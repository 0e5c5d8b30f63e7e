#include <gtest/gtest.h>

#include "fovea/insight/layer_activity.h"

#include <cmath>

#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/report/activation_sheet.h"

namespace fovea {
namespace {

TEST(LayerActivity, CountsWhatIsThere) {
  const LayerActivity a = layer_activity(Tensor::of<float>({1, 3, 1, 3}, {1, 3, 0, -2, 0, -1, NAN, 5, INFINITY}));
  EXPECT_EQ(a.not_finite, 2);
  EXPECT_EQ(a.silent, 1);  // the second unit
  EXPECT_NEAR(a.mean, 6.0 / 7, 1e-9);
  EXPECT_NEAR(a.active, 3.0 / 7, 1e-9);
  EXPECT_EQ(a.least, -2);
  EXPECT_EQ(a.greatest, 5);
  EXPECT_NEAR(a.deviation, std::sqrt(40.0 / 7 - 36.0 / 49), 1e-9);
}

TEST(LayerActivity, StagesOfANetworkWithoutScores) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 8, 8}});
  g.outputs = {{"features", conv(g, x, parameter(g, "w", {DType::f32, {4, 1, 3, 3}}))}};
  model.meaning.input = "x";
  const std::vector<Stage> stages = stages_of(model);
  ASSERT_EQ(stages.size(), 1u);
  EXPECT_EQ(stages[0].channels, 4);
  EXPECT_EQ(stage_of(model, g.outputs[0].value).height, 6);
  EXPECT_THROW(stage_of(model, {g.find("w"), 0}), Error);  // a weight
}

// A map of a 5 x 5 convolution without padding, 3 apart, lies with its first value at the middle of the first window.
TEST(ActivationSheet, MapsLieWhereTheirUnitsLook) {
  Stage stage{0, "conv", 1, 1, 4, {{1, 1, 0}, {5, 3, 0}}, false};
  const std::vector<float> placed = map_on_picture(stage, {0, 1, 0, 0}, 14, 1);
  EXPECT_FLOAT_EQ(placed[0], 0);
  EXPECT_FLOAT_EQ(placed[2], 0);         // the middle of the first unit's field, pixels 0 to 4
  EXPECT_FLOAT_EQ(placed[5], 1);         // that of the second, pixels 3 to 7
  EXPECT_FLOAT_EQ(placed[4], 2.0f / 3);  // and between
  EXPECT_FLOAT_EQ(placed[13], 0);
  Stage whole{0, "fc", 1, 2, 2, {}, false};  // without a field: stretched
  const std::vector<float> spread = map_on_picture(whole, {0, 1, 0, 1}, 4, 4);
  EXPECT_FLOAT_EQ(spread[0], 0);
  EXPECT_FLOAT_EQ(spread[3], 1);
  EXPECT_FLOAT_EQ(spread[1], 0.25f);
  EXPECT_THROW(map_on_picture(whole, {0, 1}, 4, 4), Error);
}

TEST(ActivationSheet, ColdPlacesShowThePictureAndHotOnesTheScale) {
  const Stage stage{0, "pixels", 1, 8, 8, {{1, 1, 0}, {1, 1, 0}}, false};
  FeatureMap map;
  map.values.assign(64, 0);
  map.values[3 * 8 + 5] = 2;
  map.peak = 2, map.peak_y = 3, map.peak_x = 5;
  map.seen_y = {3, 4}, map.seen_x = {5, 6};
  Image picture(8, 8, 3);
  const Image sheet = activation_sheet(picture, {{stage, {map}, {}, "text"}}, {.boxes = false, .tile = 80});
  const int left = 16 + 168, top = 16 + 80 + 14;
  const Rgb hottest = colour_at(ColourMap::inferno, 1);
  EXPECT_GT(sheet.at(left + 5 * 10 + 5, top + 3 * 10 + 5, 0), 200);  // nearly the hottest colour
  EXPECT_GT(hottest.r, 240);
  EXPECT_EQ(sheet.at(left + 1, top + 70, 0), 40);  // a black picture, a little paler
}

}  // namespace
}  // namespace fovea
