// The picture of what a network of two numbers decides where.
#include "fovea/report/decision_surface.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/data/open_data.h"
#include "fovea/report/figure.h"

namespace fovea {
namespace {

// Class 0 to the left of zero, class 1 to the right, both certain.
class HalfPlanes : public BatchClassifier {
 public:
  int64_t batch() const override { return 37; }
  int64_t classes() const override { return 2; }
  void prepare(int64_t, const Image&) override { FAIL() << "a picture"; }
  void prepare_values(int64_t slot, const Tensor& values) override { x_[slot] = values.at(0); }
  std::vector<double> log_probabilities(int64_t count) override {
    std::vector<double> rows;
    for (int64_t i = 0; i < count; ++i) {
      rows.push_back(x_[i] < 0 ? 0 : -INFINITY);
      rows.push_back(x_[i] < 0 ? -INFINITY : 0);
    }
    return rows;
  }

 private:
  double x_[37] = {};
};

bool nearer_to(const Image& image, int x, int y, Rgb a, Rgb b) {
  const auto distance = [&](Rgb c) {
    const int r = image.at(x, y, 0) - c.r, g = image.at(x, y, 1) - c.g, blue = image.at(x, y, 2) - c.b;
    return r * r + g * g + blue * blue;
  };
  return distance(a) < distance(b);
}

TEST(DecisionSurface, ShowsEachSideInItsColour) {
  HalfPlanes network;
  const auto data = open_data("drawn:xor?count=40");
  const Image image = decision_surface(network, *data, 100);
  ASSERT_EQ(image.width(), 100);
  ASSERT_EQ(image.height(), 100);
  // The corners are outside of the samples' range.
  for (const int y : {1, 98}) {
    EXPECT_TRUE(nearer_to(image, 1, y, class_colour(0), class_colour(1)));
    EXPECT_TRUE(nearer_to(image, 98, y, class_colour(1), class_colour(0)));
  }
}

TEST(DecisionSurface, OtherSamplesAreRefused) {
  HalfPlanes network;
  EXPECT_THROW(decision_surface(network, *open_data("builtin:iris")), Error);
  EXPECT_THROW(decision_surface(network, *open_data("drawn:shapes?count=6")), Error);
  EXPECT_THROW(decision_surface(network, *open_data("drawn:xor?count=40"), 10), Error);
}

}  // namespace
}  // namespace fovea
