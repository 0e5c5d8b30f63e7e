#include "fovea/insight/class_use.h"

#include <gtest/gtest.h>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

constexpr float kWeights[2][3] = {{1, -2, 0.5f}, {-1, 3, 0}};  // [unit][class]
constexpr float kBias[3] = {0.25f, -1, 0};

// Two pictures of 2x2; unit 0 answers to positive pixels, unit 1 to negative ones; both are summed and weighted.
Model tiny() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {2, 1, 2, 2}});
  const Value units = relu(g, conv(g, x, parameter(g, "w", {DType::f32, {2, 1, 1, 1}})));
  const Value sums = reduce(g, units, {.axes = {2, 3}});
  const Value scores =
      add(g, matmul(g, sums, parameter(g, "v", {DType::f32, {2, 3}})), parameter(g, "b", {DType::f32, {3}}));
  g.outputs = {{"scores", scores}};
  model.weights["w"] = Tensor::of<float>({2, 1, 1, 1}, {1, -1});
  model.weights["v"] = Tensor::of<float>({2, 3}, {1, -2, 0.5f, -1, 3, 0});
  model.weights["b"] = Tensor::of<float>({3}, {0.25f, -1, 0});
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  return model;
}

Value units_of(const Model& model) {
  for (int i = 0; i < model.graph.size(); ++i)
    if (model.graph.node(i).op == &ops::relu) return {i, 0};
  return {};
}

// The first picture has positive pixels of sum 6 and a negative one of 0.5: class 0. The second one's are 1 and 4:
// class 1.
Tensor two_pictures() { return Tensor::of<float>({2, 1, 2, 2}, {1, 2, 3, -0.5f, 1, -1, -3, 0}); }

TEST(ClassUse, SharesAddUpToTheScores) {
  const Model model = tiny();
  const std::unique_ptr<Backend> cpu = cpu_backend();
  for (Backend* backend : {&reference_backend(), cpu.get()}) {
    ClassUse use(model, std::vector<Value>{units_of(model)}, *backend);
    use.add(two_pictures(), 2);
    EXPECT_EQ(use.pictures(0), 1);
    EXPECT_EQ(use.pictures(1), 1);
    EXPECT_EQ(use.pictures(2), 0);
    const float answers[2][2] = {{6, 0.5f}, {1, 4}};  // [picture][unit]
    for (const int64_t unit : {0, 1}) {
      const std::vector<ClassShare> shares = use.shares(0, unit);
      ASSERT_EQ(shares.size(), 2u);
      EXPECT_GE(shares[0].share, shares[1].share);
      for (const ClassShare& s : shares)
        EXPECT_FLOAT_EQ(static_cast<float>(s.share), answers[s.label][unit] * kWeights[unit][s.label]) << unit;
    }
    double sum = 0;
    for (const int64_t unit : {0, 1})
      for (const ClassShare& s : use.shares(0, unit))
        if (s.label == 0) sum += s.share;
    EXPECT_FLOAT_EQ(static_cast<float>(sum) + kBias[0], 6 * 1 - 0.5f + 0.25f);
  }
}

TEST(ClassUse, MeanOverThePicturesOfAClass) {
  const Model model = tiny();
  ClassUse use(model, std::vector<Value>{units_of(model)}, reference_backend());
  use.add(two_pictures(), 1);  // the second is not looked at
  EXPECT_EQ(use.pictures(1), 0);
  Tensor twice = two_pictures();
  for (int64_t i = 0; i < 4; ++i) twice.set(i, 2 * twice.at(i));
  use.add(twice, 1);
  EXPECT_EQ(use.pictures(0), 2);
  EXPECT_FLOAT_EQ(static_cast<float>(use.shares(0, 0)[0].share), (6 + 12) / 2.0f);
}

TEST(ClassUse, SaysWhatIsWrong) {
  Model model = tiny();
  EXPECT_THROW(ClassUse(model, std::vector<Value>{{model.graph.find("b"), 0}}, reference_backend()), Error);
  const Value aside = relu(model.graph, model.graph.inputs()[0]);
  EXPECT_THROW(ClassUse(model, std::vector<Value>{aside}, reference_backend()), Error);
  ClassUse use(model, std::vector<Value>{units_of(model)}, reference_backend());
  EXPECT_THROW(use.shares(0, 2), Error);
  EXPECT_THROW(use.add(two_pictures(), 3), Error);
}

}  // namespace
}  // namespace fovea
