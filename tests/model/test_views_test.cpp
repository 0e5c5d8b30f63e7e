// Views for testing: by hand, and their weights.
#include "fovea/model/test_views.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"

namespace fovea {
namespace {

std::vector<float> seen(const TestView& view, const Shape& shape, const std::vector<float>& x) {
  std::vector<float> y(x.size(), -1);
  make_view(view, shape, x.data(), y.data());
  return y;
}

TEST(TestViews, AreThePictureMirroredAndShiftedWithMirroredEdges) {
  const Shape shape{1, 1, 3, 3};
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(seen({}, shape, x), x);
  EXPECT_EQ(seen({.mirrored = true}, shape, x), (std::vector<float>{3, 2, 1, 6, 5, 4, 9, 8, 7}));
  // numpy.pad(x, 1, "reflect")[0:3, 0:3] and [2:5, 2:5]
  EXPECT_EQ(seen({.down = -1, .right = -1}, shape, x), (std::vector<float>{5, 4, 5, 2, 1, 2, 5, 4, 5}));
  EXPECT_EQ(seen({.down = 1, .right = 1}, shape, x), (std::vector<float>{5, 6, 5, 8, 9, 8, 5, 6, 5}));
  EXPECT_EQ(seen({.mirrored = true, .down = 1, .right = 0}, shape, x), (std::vector<float>{6, 5, 4, 9, 8, 7, 6, 5, 4}));
}

TEST(TestViews, TreatEveryPlaneAlike) {
  const Shape shape{2, 3, 4, 5};
  std::vector<float> x(120);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 20);
  const std::vector<float> y = seen({.mirrored = true, .down = -1, .right = 1}, shape, x);
  for (size_t i = 20; i < y.size(); ++i) EXPECT_EQ(y[i], y[i - 20]);
}

TEST(TestViews, WeighOneInAllAndAsPublished) {
  for (const std::string& name : test_view_names()) {
    double sum = 0, unmoved = 0, mirrored = 0;
    for (const TestView& view : test_views(name)) {
      sum += view.weight;
      unmoved += view.down == 0 && view.right == 0 ? view.weight : 0;
      mirrored += view.mirrored ? view.weight : 0;
    }
    EXPECT_EQ(sum, 1) << name;
    EXPECT_EQ(unmoved, name == "mirror,translate" ? 0.5 : 1) << name;
    EXPECT_EQ(mirrored, name == "plain" ? 0 : 0.5) << name;
  }
  EXPECT_EQ(test_views("mirror,translate").size(), 6u);
}

TEST(TestViews, SayWhatIsWrong) {
  EXPECT_THROW(test_views("mirrors"), Error);
  const float one = 1;
  float other = 0;
  EXPECT_THROW(make_view({.down = 1}, {1, 1, 1, 1}, &one, &other), Error);
  EXPECT_THROW(make_view({}, {1, 1}, &one, &other), Error);
}

}  // namespace
}  // namespace fovea
