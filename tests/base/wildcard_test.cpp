#include "fovea/base/wildcard.h"

#include <gtest/gtest.h>

namespace fovea {
namespace {

TEST(Wildcard, PatternsFit) {
  EXPECT_TRUE(fits("*", ""));
  EXPECT_TRUE(fits("layer1.*", "layer1.0.conv1"));
  EXPECT_TRUE(fits("*conv?.w*t", "layer1.0.conv1.weight"));
  EXPECT_FALSE(fits("layer?", "layer"));
  EXPECT_FALSE(fits("conv1", "conv10"));
  EXPECT_FALSE(fits("*conv1", "conv10"));
  EXPECT_TRUE(fits("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(fits(std::string(2000, '*') + "b", std::string(100000, 'a')));
  EXPECT_TRUE(fits_any({"x", "conv?"}, "conv1"));
  EXPECT_FALSE(fits_any({}, "conv1"));
}

}  // namespace
}  // namespace fovea
