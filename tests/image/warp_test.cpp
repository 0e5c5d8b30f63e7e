// Pictures bent and blurred, against values worked by hand.
#include "fovea/image/warp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

Image grey(int width, int height, std::vector<uint8_t> samples) {
  return Image::own(width, height, 1, std::move(samples));
}

TEST(Warp, MirrorsWithoutRepeatingTheOutermostPixel) {
  EXPECT_EQ(reflected(-1, 3), 1);
  EXPECT_EQ(reflected(-2, 3), 2);
  EXPECT_EQ(reflected(-3, 3), 1);
  EXPECT_EQ(reflected(-4, 3), 0);
  EXPECT_EQ(reflected(3, 3), 1);
  EXPECT_EQ(reflected(4, 3), 0);
  EXPECT_EQ(reflected(5, 3), 1);
  EXPECT_EQ(reflected(-7, 1), 0);
}

TEST(Warp, WindowsGoBeyondTheEdges) {
  const Image row = grey(3, 1, {1, 2, 3});
  EXPECT_EQ(window(row, -2, 0, 7, 1, Edge::reflect), grey(7, 1, {3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(window(row, -2, 0, 7, 1, Edge::fill, {9, 0, 0}), grey(7, 1, {9, 9, 1, 2, 3, 9, 9}));
  EXPECT_EQ(window(row, 0, -1, 3, 2, Edge::fill), grey(3, 2, {0, 0, 0, 1, 2, 3}));
  EXPECT_EQ(window(row, 1, 0, 2, 1, Edge::fill), crop(row, 1, 0, 2, 1));
  EXPECT_THROW(window(Image(), 0, 0, 1, 1, Edge::fill), Error);
  EXPECT_THROW(window(Image(2, 2, 1, 16), 0, 0, 1, 1, Edge::fill), Error);
  EXPECT_THROW(window(row, INT64_MAX, 0, 1, 1, Edge::fill), Error);
}

TEST(Warp, RemapInterpolatesBetweenFourPixels) {
  const Image picture = grey(2, 2, {0, 100, 40, 200});
  const std::vector<float> x = {0.25f, 0.5f, -0.5f, -0.5f, std::numeric_limits<float>::quiet_NaN(), 1e30f};
  const std::vector<float> y = {0, 0.5f, 0, 1, 0, 0};
  // 0.75 * 0 + 0.25 * 100; (0 + 100 + 40 + 200) / 4; half the fill 10 and half of 0; half of it and half of 40
  EXPECT_EQ(remap(picture, x, y, 6, 1, Edge::fill, {10, 0, 0}), grey(6, 1, {25, 85, 5, 25, 10, 10}));
  // -0.5 lies between pixel 0 and its mirror image, pixel 1.
  EXPECT_EQ(remap(picture, x, y, 6, 1, Edge::reflect), grey(6, 1, {25, 85, 50, 120, 0, 0}));
  EXPECT_THROW(remap(picture, x, y, 5, 1, Edge::fill), Error);
}

TEST(Warp, AffineMapsMoveTurnAndScale) {
  const Image row = grey(3, 1, {10, 20, 30});
  AffineMap shift;
  shift.shift_x = 1;
  EXPECT_EQ(affine(row, shift, Edge::fill, {7, 0, 0}), grey(3, 1, {7, 10, 20}));
  shift.shift_x = 0.5;
  EXPECT_EQ(affine(row, shift, Edge::fill), grey(3, 1, {5, 15, 25}));
  AffineMap twice;
  twice.m = {2, 0, 0, 2};
  EXPECT_EQ(affine(row, twice, Edge::fill), grey(3, 1, {15, 20, 25}));
  const Image square = grey(3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  AffineMap quarter;  // x to y: clockwise, as y points down
  quarter.m = {0, -1, 1, 0};
  EXPECT_EQ(affine(square, quarter, Edge::fill), flip_horizontal(transpose(square)));
  AffineMap shear;  // the lower row moves right, the upper one left
  shear.m = {1, 1, 0, 1};
  EXPECT_EQ(affine(square, shear, Edge::fill), grey(3, 3, {2, 3, 0, 4, 5, 6, 0, 7, 8}));
  AffineMap flat;
  flat.m = {1, 2, 2, 4};
  EXPECT_THROW(affine(square, flat, Edge::fill), Error);
}

TEST(Warp, BlurIsAGaussian) {
  std::vector<float> plane(81, 0.0f);
  plane[40] = 1;
  const std::vector<float> blurred = blur_plane(plane, 9, 9, 1);
  EXPECT_NEAR(std::accumulate(blurred.begin(), blurred.end(), 0.0), 1, 1e-6);
  EXPECT_NEAR(blurred[41] / blurred[40], std::exp(-0.5), 1e-6);
  EXPECT_NEAR(blurred[49] / blurred[40], std::exp(-0.5), 1e-6);
  EXPECT_NEAR(blurred[40 + 9 * 2 + 3] / blurred[40], std::exp(-(4 + 9) / 2.0), 1e-7);
  EXPECT_EQ(blur_plane(plane, 9, 9, 0), plane);
  // Beyond the edges lie zeros: a plane of ones keeps half its value in the middle of a long edge.
  const std::vector<float> ones(200 * 1, 1.0f);
  const std::vector<float> half = blur_plane(ones, 200, 1, 2);
  double kernel_middle = 0;
  for (int k = -8; k <= 8; ++k) kernel_middle += std::exp(-k * k / 8.0);
  EXPECT_NEAR(half[0] / half[100], 0.5 + 0.5 / kernel_middle, 1e-5);
  EXPECT_THROW(blur_plane(plane, 9, 8, 1), Error);
  EXPECT_THROW(blur_plane(plane, 9, 9, -1), Error);
}

}  // namespace
}  // namespace fovea
