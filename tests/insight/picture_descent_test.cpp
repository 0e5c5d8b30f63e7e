#include "fovea/insight/picture_descent.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/insight/picture_synthesis.h"
#include "fovea/model/preprocess.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// ½ Σ a (x − c)² with unlike curvatures a.
LossValue bowl(const Tensor& levels) {
  LossValue value;
  value.gradient = Tensor(DType::f32, levels.shape());
  const auto x = levels.data<float>();
  const auto g = value.gradient.data<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    const double a = 1 + static_cast<double>(i % 5), d = static_cast<double>(x[i]) - static_cast<double>(i % 7) * 3;
    value.total += 0.5 * a * d * d;
    g[i] = static_cast<float>(a * d);
  }
  value.terms = {value.total};
  return value;
}

Tensor start(int64_t height = 6, int64_t width = 5) {
  Tensor t(DType::f32, {1, 3, height, width});
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, 20 * std::sin(static_cast<double>(i)));
  return t;
}

PictureDescent descent(const PictureRule& rule) {
  return PictureDescent(rule, start(), {-100, -100, -100}, {100, 100, 100});
}

const std::vector<PictureRule>& rules() {
  static const std::vector<PictureRule> all = {
      {.update = "lbfgs", .history = 3, .line_search = true},
      {.update = "lbfgs", .rate = 0.5, .history = 3, .line_search = false},
      {.update = "adam", .rate = 0.02, .beta2 = 0.99, .unit = 255, .average = 0.9, .within = true},
      {.update = "adam", .rate = 2}};
  return all;
}

TEST(PictureDescent, EveryRuleGoesDownhill) {
  for (const PictureRule& rule : rules()) {
    SCOPED_TRACE(rule.update);
    PictureDescent d = descent(rule);
    const double first = d.step(bowl).total;
    for (int k = 0; k < 60; ++k) d.step(bowl);
    EXPECT_LT(bowl(d.shown()).total, 0.05 * first);
    EXPECT_EQ(d.steps(), 61);
  }
}

// The losses of small networks are tiny numbers: L-BFGS must not stand still on them.
TEST(PictureDescent, TinyLossesFallToo) {
  const auto tiny = [](const Tensor& levels) {
    LossValue value = bowl(levels);
    value.total *= 1e-9;
    value.terms = {value.total};
    for (float& g : value.gradient.data<float>()) g *= 1e-9F;
    return value;
  };
  PictureDescent d = descent({.update = "lbfgs", .history = 3, .line_search = true});
  const double first = d.step(tiny).total;
  for (int k = 0; k < 60; ++k) d.step(tiny);
  EXPECT_LT(tiny(d.shown()).total, 0.05 * first);
}

TEST(PictureDescent, AdamTakesItsFirstStepsAsPublished) {
  PictureDescent d = descent({.update = "adam", .rate = 2, .beta1 = 0.9, .beta2 = 0.99});
  const Tensor before = d.levels();
  const double g1 = static_cast<double>(bowl(before).gradient.data<float>()[7]);
  d.step(bowl);
  const double x1 = static_cast<double>(before.data<float>()[7]) - 2 * g1 / std::abs(g1);
  EXPECT_NEAR(d.levels().data<float>()[7], x1, 1e-4);
  const double g2 = static_cast<double>(bowl(d.levels()).gradient.data<float>()[7]);
  d.step(bowl);
  const double m = (0.9 * 0.1 * g1 + 0.1 * g2) / (1 - 0.81),
               v = (0.99 * 0.01 * g1 * g1 + 0.01 * g2 * g2) / (1 - 0.9801);
  EXPECT_NEAR(d.levels().data<float>()[7], x1 - 2 * m / (std::sqrt(v) + 1e-8), 1e-4);
}

TEST(PictureDescent, GoesOnFromAStateToTheSameBits) {
  for (const PictureRule& rule : rules()) {
    SCOPED_TRACE(rule.update);
    PictureDescent whole = descent(rule), other = descent(rule);
    for (int k = 0; k < 5; ++k) whole.step(bowl);
    other.restore(whole.state());
    for (int k = 0; k < 7; ++k) {
      whole.step(bowl);
      other.step(bowl);
    }
    EXPECT_TRUE(whole.levels().same_bits(other.levels()));
    EXPECT_TRUE(whole.shown().same_bits(other.shown()));
  }
}

TEST(PictureDescent, RefusesAStateOfAnotherSize) {
  PictureDescent d = descent(rules()[2]);
  DescentState state = d.state();
  state.tensors["mean"] = Tensor(DType::f32, {1, 3, 2, 2});
  EXPECT_THROW(d.restore(state), Error);
  state = d.state();
  state.tensors.erase("average");
  EXPECT_THROW(d.restore(state), Error);
}

TEST(PictureDescent, KeepsTheLastGoodPicture) {
  for (const PictureRule& rule : rules()) {
    SCOPED_TRACE(rule.update);
    PictureDescent d = descent(rule);
    Tensor good;
    const auto step = [&](const PictureDescent::Loss& loss) {
      const Tensor before = d.levels();
      const LossValue value = d.step(loss);
      if (std::isfinite(value.total)) good = before;
      return value;
    };
    for (int k = 0; k < 3; ++k) step(bowl);
    LossValue bad = {.total = 0};
    // A line search knows the loss where it stands already: it meets the bad one a step later.
    for (int k = 0; k < 2 && std::isfinite(bad.total); ++k)
      bad = step([&](const Tensor& x) {
        LossValue v = bowl(x);
        v.total = NAN;
        v.terms = {NAN};
        return v;
      });
    EXPECT_FALSE(std::isfinite(bad.total));
    EXPECT_TRUE(d.levels().same_bits(good)) << "the levels whose loss was still finite";
  }
}

TEST(PictureDescent, GrowsWithItsMoments) {
  PictureDescent d = descent(rules()[2]);
  for (int k = 0; k < 3; ++k) d.step(bowl);
  d.resize(9, 8);
  EXPECT_EQ(d.levels().shape(), (Shape{1, 3, 9, 8}));
  const double before = bowl(d.levels()).total;
  for (int k = 0; k < 40; ++k) d.step(bowl);
  EXPECT_LT(bowl(d.shown()).total, before);
}

TEST(PictureDescent, RefusesWrongSettings) {
  EXPECT_THROW(descent({.update = "sgd"}), Error);
  EXPECT_THROW(descent({.rate = 0}), Error);
  EXPECT_THROW(descent({.update = "adam", .average = 1}), Error);
}

// ⟨wrap x, y⟩ = ⟨x, unwrap y⟩.
TEST(PictureSynthesis, WrappingAndItsWayBackAreAdjoint) {
  const Tensor x = start(4, 6);
  for (const int64_t wrap : {1, 3, 7}) {
    const Tensor w = wrapped(x, wrap);
    ASSERT_EQ(w.shape(), (Shape{1, 3, 4 + 2 * wrap, 6 + 2 * wrap}));
    EXPECT_EQ(w.data<float>()[static_cast<size_t>(wrap * (6 + 2 * wrap) + wrap)], x.data<float>()[0]);
    Tensor y(DType::f32, w.shape());
    double left = 0, right = 0;
    for (int64_t i = 0; i < y.count(); ++i) y.set(i, std::cos(static_cast<double>(3 * i)));
    const Tensor back = unwrapped_sum(y, wrap);
    for (int64_t i = 0; i < y.count(); ++i) left += w.at(i) * y.at(i);
    for (int64_t i = 0; i < x.count(); ++i) right += x.at(i) * back.at(i);
    EXPECT_NEAR(left, right, 1e-4 * std::abs(left) + 1e-2);
  }
}

TEST(PictureLevels, KeepEightAndSixteenBits) {
  const Preprocess how = preset("vgg");
  for (const int depth : {8, 16}) {
    Image image(7, 5, 3, depth);
    const int top = depth == 16 ? 65535 : 255;
    for (int y = 0; y < 5; ++y)
      for (int i = 0; i < 21; ++i) {
        const int value = (y * 21 + i) * 977 % (top + 1);
        if (depth == 16) image.row16(y)[i] = static_cast<uint16_t>(value);
        else image.row(y)[i] = static_cast<uint8_t>(value);
      }
    for (const double factor : {1.0, 256.0 / 255})
      EXPECT_EQ(levels_picture(picture_levels(image, how, factor), how, factor, depth), image);
  }
}

TEST(PictureLevels, AFittedSizeKeepsProportions) {
  const Image wide(300, 200, 3), high(10, 1000, 3);
  EXPECT_EQ(fitted_size(wide, 150).width, 150);
  EXPECT_EQ(fitted_size(wide, 150).height, 100);
  EXPECT_EQ(fitted_size(high, 50).width, 1) << "never less than a pixel";
  EXPECT_EQ(fitted_size(high, 50).height, 50);
}

TEST(PictureSynthesis, SaysDurationsAsPeopleDo) {
  EXPECT_EQ(duration_text(3.21), "3.2 s");
  EXPECT_EQ(duration_text(47), "47 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(3900), "1 h 5 min");
}

}  // namespace
}  // namespace fovea
