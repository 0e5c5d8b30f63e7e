#include "fovea/train/whitening.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"

namespace fovea {
namespace {

// Grey pictures whose neighbours to the right are alike.
class Streaks : public Dataset {
 public:
  int64_t size() const override { return 40; }
  Sample get(int64_t index) const override {
    Image image(9, 7, 1);
    const Rng rng = Rng(5).fork(static_cast<uint64_t>(index));
    for (int y = 0; y < 7; ++y) {
      double value = 128;
      for (int x = 0; x < 9; ++x) {
        value = 0.8 * value + 0.2 * 128 + 30 * rng.normal(static_cast<uint64_t>(y * 9 + x));
        image.row(y)[x] = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
    return {image, 0, {}};
  }
  const std::vector<std::string>& classes() const override { return names_; }

 private:
  std::vector<std::string> names_ = {"streaks"};
};

Model network(int64_t filters) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 7, 9}});
  const Value y = conv(g, x, parameter(g, "first", {DType::f32, {filters, 1, 2, 2}}));
  g.outputs = {{"y", conv(g, y, parameter(g, "second", {DType::f32, {1, filters, 1, 1}}))}};
  model.weights["first"] = Tensor::full(DType::f32, {filters, 1, 2, 2}, 7);
  model.weights["second"] = Tensor::full(DType::f32, {1, filters, 1, 1}, 7);
  model.meaning.input = "x";
  model.meaning.preprocess = preset("grey", 7, 9);
  return model;
}

// The answers of the first half of the filters to all patches have the second moments λ/(λ + ε): nearly the identity.
TEST(Whitening, AnswersAreUncorrelatedAndOfOneSize) {
  Model model = network(9);
  const Streaks set;
  whiten_first_layers(model, {.whiten = {"fir*"}}, set);
  const Tensor& w = model.weights.at("first");
  double moments[4][4] = {};
  int64_t count = 0;
  for (int64_t n = 0; n < set.size(); ++n) {
    const Tensor x = preprocess(set.get(n).image, *model.meaning.preprocess);
    for (int64_t i = 0; i + 1 < 7; ++i)
      for (int64_t j = 0; j + 1 < 9; ++j, ++count) {
        double answers[4] = {};
        for (int64_t e = 0; e < 4; ++e)
          for (int64_t k = 0; k < 4; ++k) answers[e] += w.at(e * 4 + k) * x.at((i + k / 2) * 9 + j + k % 2);
        for (int a = 0; a < 4; ++a)
          for (int b = 0; b < 4; ++b) moments[a][b] += answers[a] * answers[b];
      }
  }
  for (int a = 0; a < 4; ++a)
    for (int b = 0; b < 4; ++b)
      EXPECT_NEAR(moments[a][b] / static_cast<double>(count), a == b ? 1 : 0, a == b ? 0.2 : 1e-4) << a << " " << b;
  for (int64_t k = 0; k < 16; ++k) EXPECT_EQ(w.at(16 + k), -w.at(k));
  for (int64_t k = 32; k < 36; ++k) EXPECT_EQ(w.at(k), 7) << "the ninth filter is nobody's";
  EXPECT_EQ(model.weights.at("second").at(0), 7);
}

TEST(Whitening, FewerFiltersThanDirections) {
  Model model = network(4), all = network(8);
  whiten_first_layers(model, {.whiten = {"first"}}, Streaks());
  whiten_first_layers(all, {.whiten = {"first"}}, Streaks());
  for (int64_t k = 0; k < 8; ++k) EXPECT_EQ(model.weights.at("first").at(k), all.weights.at("first").at(k));
  for (int64_t k = 0; k < 8; ++k) EXPECT_EQ(model.weights.at("first").at(8 + k), -model.weights.at("first").at(k));
}

TEST(Whitening, SaysWhatIsWrong) {
  Model model = network(8);
  EXPECT_THROW(whiten_first_layers(model, {.whiten = {"second"}}, Streaks()), Error);
  whiten_first_layers(model, {}, Streaks());
  EXPECT_EQ(model.weights.at("first").at(0), 7);
}

}  // namespace
}  // namespace fovea
