// The drawn painting: the same one again, and that it is one: strokes with a direction, in colours that differ.
#include "fovea/data/drawn_painting.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"

namespace fovea {
namespace {

TEST(DrawnPainting, TheSameKeyTheSamePicture) {
  const Image a = draw_painting(64, Rng(1)), b = draw_painting(64, Rng(1)), c = draw_painting(64, Rng(2));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(a.width(), 64);
  EXPECT_EQ(a.height(), 64);
  EXPECT_EQ(a.channels(), 3);
}

// Along a stroke colours change less than across it, whichever way it runs: of the two directions at a place, the
// smoother one is far smoother than in noise, where both are alike.
TEST(DrawnPainting, HasStrokes) {
  const Image image = draw_painting(256, Rng(3));
  double along = 0, across = 0, spread = 0, mean = 0;
  for (int y = 0; y + 8 < 256; y += 8)
    for (int x = 0; x + 8 < 256; x += 8) {
      double xx = 0, yy = 0, xy = 0;  // the structure tensor of a block
      for (int v = 0; v < 7; ++v)
        for (int u = 0; u < 7; ++u) {
          const double dx = image.at(x + u + 1, y + v, 1) - image.at(x + u, y + v, 1);
          const double dy = image.at(x + u, y + v + 1, 1) - image.at(x + u, y + v, 1);
          xx += dx * dx, yy += dy * dy, xy += dx * dy;
        }
      const double half = (xx + yy) / 2, root = std::sqrt((xx - yy) * (xx - yy) / 4 + xy * xy);
      along += half - root, across += half + root;
      mean += image.at(x, y, 0), spread += image.at(x, y, 0) * image.at(x, y, 0);
    }
  EXPECT_GT(across, 2.5 * along);
  mean /= 31 * 31;
  EXPECT_GT(std::sqrt(spread / (31 * 31) - mean * mean), 30) << "the colours are all alike";
}

TEST(DrawnPainting, RefusesSizes) {
  EXPECT_THROW(draw_painting(15, Rng()), Error);
  EXPECT_THROW(draw_painting(2049, Rng()), Error);
}

}  // namespace
}  // namespace fovea
