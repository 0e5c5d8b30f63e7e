// The drawn shapes: the same key gives the same pictures, and no class is rare.
#include <gtest/gtest.h>

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/data/drawn.h"

namespace fovea {
namespace {

bool same(const Image& a, const Image& b) {
  const auto x = a.samples(), y = b.samples();
  return a.width() == b.width() && a.height() == b.height() && std::equal(x.begin(), x.end(), y.begin(), y.end());
}

TEST(DrawnShapes, TheSameKeyDrawsTheSamePictures) {
  const DrawnShapes one(1000, 24, 7), again(1000, 24, 7), other(1000, 24, 8);
  int differ = 0;
  for (int64_t i = 19; i >= 0; --i) {  // in any order
    EXPECT_EQ(one.get(i).label, again.get(i).label);
    EXPECT_TRUE(same(one.get(i).image, again.get(i).image)) << i;
    differ += !same(one.get(i).image, other.get(i).image);
  }
  EXPECT_EQ(differ, 20);
  EXPECT_FALSE(same(one.get(0).image, one.get(1).image));
}

TEST(DrawnShapes, ClassesAreBalanced) {
  const DrawnShapes data(6000, 4, 1);
  ASSERT_EQ(data.classes().size(), 6u);
  std::vector<int64_t> counts(6);
  for (int64_t i = 0; i < data.size(); ++i) ++counts.at(static_cast<size_t>(data.get(i).label));
  // Binomial: 1000 with a standard deviation of 29; five of them.
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 1000, 145);
}

TEST(DrawnShapes, PicturesAreWhatTheySay) {
  const DrawnShapes data(3, 33, 0);
  const Image image = data.get(2).image;
  EXPECT_EQ(image.width(), 33);
  EXPECT_EQ(image.height(), 33);
  EXPECT_EQ(image.channels(), 3);
  EXPECT_THROW(data.get(3), Error);
  EXPECT_THROW(data.get(-1), Error);
}

}  // namespace
}  // namespace fovea
