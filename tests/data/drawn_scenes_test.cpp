// Drawn scenes: what kind of picture they are, and the same one again. That a network recognises them is tested in
// tests/formats/builtin_test.cpp.
#include "fovea/data/drawn_scenes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"

namespace fovea {
namespace {

TEST(DrawnScenes, TheSameKeyTheSamePicture) {
  for (const std::string& thing : drawn_scenes()) {
    const Image a = draw_scene(thing, 48, Rng(1)), b = draw_scene(thing, 48, Rng(1)), c = draw_scene(thing, 48, Rng(2));
    EXPECT_EQ(a.width(), 48);
    EXPECT_EQ(a.height(), 48);
    EXPECT_EQ(a.channels(), 3);
    EXPECT_EQ(a, b) << thing;
    EXPECT_NE(a, c) << thing;
  }
}

// A larger picture is the same scene: halved by averaging it is near to the small one, whose grain alone differs.
TEST(DrawnScenes, TheSameSceneInAnySize) {
  for (const std::string& thing : drawn_scenes()) {
    const Image small = draw_scene(thing, 64, Rng(5)), large = draw_scene(thing, 128, Rng(5));
    double difference = 0;
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 64; ++x)
        for (int k = 0; k < 3; ++k) {
          const int sum = large.at(2 * x, 2 * y, k) + large.at(2 * x + 1, 2 * y, k) + large.at(2 * x, 2 * y + 1, k) +
                          large.at(2 * x + 1, 2 * y + 1, k);
          difference += std::abs(sum / 4.0 - small.at(x, y, k));
        }
    EXPECT_LT(difference / (64 * 64 * 3), 8) << thing;  // grains of 0.02 and 0.01 of 255 differ by 4.6 on average
    EXPECT_GT(difference, 0) << thing;
  }
}

TEST(DrawnScenes, SkyIsAboveAndLighterThanTheSea) {
  const Image ship = draw_scene("ship", 64, Rng(3));
  double top = 0, bottom = 0;
  for (int x = 0; x < 64; ++x)
    for (int k = 0; k < 3; ++k) top += ship.at(x, 8, k), bottom += ship.at(x, 60, k);
  EXPECT_GT(top, 1.5 * bottom);
}

TEST(DrawnScenes, WhatCannotBeDrawn) {
  EXPECT_THROW(draw_scene("cat", 64, Rng(1)), Error);
  EXPECT_THROW(draw_scene("ship", 15, Rng(1)), Error);
  EXPECT_THROW(draw_scene("ship", 2049, Rng(1)), Error);
  try {
    draw_scene("shop", 64, Rng(1));
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("did you mean \"ship\"?"), std::string::npos); }
}

}  // namespace
}  // namespace fovea
