// Every form of the penalties against its formula, written as loops in double.
#include "fovea/insight/image_prior.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"
#include "tests/formula.h"
#include "tests/transform/differences.h"

namespace fovea {
namespace {

constexpr int64_t kPictures = 2, kChannels = 3, kHeight = 5, kWidth = 7;

// Levels from -3 to 3 in f32, none of them 0.
Tensor pictures() {
  const Formula u("pictures of the priors");
  Tensor t(DType::f32, {kPictures, kChannels, kHeight, kWidth});
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, 6 * u(i) - 3);
  return t;
}

double pixel(const Tensor& t, int64_t n, int64_t c, int64_t y, int64_t x) {
  return t.at(((n * kChannels + c) * kHeight + y) * kWidth + x);
}

double variation_by_hand(const Tensor& t, int64_t n, double beta, const std::string& form) {
  double sum = 0;
  for (int64_t c = 0; c < kChannels; ++c)
    for (int64_t y = 0; y < kHeight; ++y)
      for (int64_t x = 0; x < kWidth; ++x) {
        const bool right = x + 1 < kWidth, below = y + 1 < kHeight;
        const double dx = right ? pixel(t, n, c, y, x + 1) - pixel(t, n, c, y, x) : 0;
        const double dy = below ? pixel(t, n, c, y + 1, x) - pixel(t, n, c, y, x) : 0;
        if (form == "anisotropic") sum += std::pow(std::abs(dx), beta) + std::pow(std::abs(dy), beta);
        else if (form != "interior" || (right && below)) sum += std::pow(dx * dx + dy * dy, beta / 2);
      }
  return form == "mean" ? sum / (kHeight * kWidth) : form == "half" ? sum / 2 : sum;
}

double norm_by_hand(const Tensor& t, int64_t n, double alpha, const std::string& form) {
  double sum = 0;
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      double squares = 0;
      for (int64_t c = 0; c < kChannels; ++c) {
        const double v = pixel(t, n, c, y, x);
        squares += v * v;
        if (form != "pixel") sum += std::pow(std::abs(v), alpha);
      }
      if (form == "pixel") sum += std::pow(squares, alpha / 2);
    }
  return form == "sum" ? sum : sum / (kHeight * kWidth);
}

TEST(ImagePrior, TotalVariationIsItsFormula) {
  for (const std::string& form : total_variation_forms())
    for (const double beta : {1.0, 1.5, 2.0, 3.0, 4.0}) {
      Graph graph;
      const Tensor x = pictures();
      const Value tv = total_variation(graph, input(graph, "x", {DType::f32, x.shape()}), {beta, form});
      const Value wants[] = {tv};
      const Tensor got = evaluate(graph, {{"x", x}}, wants)[0];
      ASSERT_EQ(got.shape(), Shape({kPictures}));
      for (int64_t n = 0; n < kPictures; ++n) {
        const double want = variation_by_hand(x, n, beta, form);
        EXPECT_NEAR(got.at(n), want, 2e-5 * want) << form << " " << beta;
      }
    }
}

TEST(ImagePrior, AlphaNormIsItsFormula) {
  for (const std::string& form : alpha_norm_forms())
    for (const double alpha : {1.0, 2.0, 2.5, 4.0, 6.0}) {
      Graph graph;
      const Tensor x = pictures();
      const Value norm = alpha_norm(graph, input(graph, "x", {DType::f32, x.shape()}), {alpha, form});
      const Value wants[] = {norm};
      const Tensor got = evaluate(graph, {{"x", x}}, wants)[0];
      for (int64_t n = 0; n < kPictures; ++n) {
        const double want = norm_by_hand(x, n, alpha, form);
        EXPECT_NEAR(got.at(n), want, 2e-5 * want) << form << " " << alpha;
      }
    }
}

TEST(ImagePrior, GradientsAgreeWithDifferences) {
  for (const std::string& form : total_variation_forms())
    for (const double beta : {1.0, 2.0, 3.0}) {
      Graph graph;
      const Shape shape = {1, 2, 4, 5};
      const Value x = input(graph, "x", {DType::f64, shape});
      const Value loss = reduce(graph, total_variation(graph, x, {beta, form}));
      const std::vector<Value> gradients = gradient(graph, loss, std::vector<Value>{x});
      testing::expect_gradients(graph, {{"x", testing::random_tensor(shape, Rng(7), 3)}}, loss, {x}, gradients, Rng(8));
    }
  for (const std::string& form : alpha_norm_forms()) {
    Graph graph;
    const Shape shape = {1, 2, 4, 5};
    const Value x = input(graph, "x", {DType::f64, shape});
    const Value loss = reduce(graph, alpha_norm(graph, x, {6, form}));
    const std::vector<Value> gradients = gradient(graph, loss, std::vector<Value>{x});
    testing::expect_gradients(graph, {{"x", testing::random_tensor(shape, Rng(9))}}, loss, {x}, gradients, Rng(8));
  }
}

// Roots have no slope at 0: what is flat must still have a finite gradient.
TEST(ImagePrior, FlatPicturesHaveFiniteGradients) {
  for (const std::string& form : total_variation_forms()) {
    Graph graph;
    const Value x = input(graph, "x", {DType::f32, {1, 1, 4, 4}});
    const Value loss = reduce(graph, total_variation(graph, x, {1, form}));
    const std::vector<Value> gradients = gradient(graph, loss, std::vector<Value>{x});
    const Tensor g = evaluate(graph, {{"x", Tensor::full(DType::f32, {1, 1, 4, 4}, 0.25)}}, gradients)[0];
    for (int64_t i = 0; i < g.count(); ++i) EXPECT_TRUE(std::isfinite(g.at(i))) << form;
  }
}

TEST(ImagePrior, RefusesWhatItDoesNotKnow) {
  Graph graph;
  const Value x = input(graph, "x", {DType::f32, {1, 1, 4, 4}}), row = input(graph, "row", {DType::f32, {1, 1, 1, 4}});
  try {
    total_variation(graph, x, {2, "meen"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(e.message().find("did you mean \"mean\""), std::string::npos) << e.message();
  }
  EXPECT_THROW(total_variation(graph, x, {0, "sum"}), Error);
  EXPECT_THROW(total_variation(graph, row), Error);
  EXPECT_THROW(alpha_norm(graph, x, {0.5, "sum"}), Error);
  EXPECT_THROW(alpha_norm(graph, x, {6, "pixels"}), Error);
}

}  // namespace
}  // namespace fovea
