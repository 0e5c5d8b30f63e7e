#include "fovea/train/norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/rng.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

constexpr int64_t kBatch = 4;

struct Fixture {
  Model model = build(*find_architecture("lenet5"), {.classes = 10, .batch = kBatch});
  Recipe recipe;
  std::map<std::string, Tensor> feeds;

  Fixture() {
    recipe.batch = kBatch;
    model.weights = initial_weights(model.graph, 3);
  }
  TrainingStep step() {
    TrainingStep s = training_step(model, recipe);
    const Type type = s.graph.type({s.graph.find(s.picture), 0});
    Tensor pictures(type.dtype, type.shape), labels(DType::i64, {kBatch});
    for (int64_t i = 0; i < pictures.count(); ++i) pictures.set(i, Rng(5).uniform(static_cast<uint64_t>(i)));
    for (int64_t n = 0; n < kBatch; ++n) labels.set(n, static_cast<double>(n));
    feeds = s.feeds(0, 0.05);
    feeds[s.picture] = pictures;
    feeds[s.labels] = labels;
    return s;
  }
};

double norm(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const Tensor& t : tensors)
    for (int64_t i = 0; i < t.count(); ++i) sum += t.at(i) * t.at(i);
  return std::sqrt(sum);
}

TEST(Norms, LayersAreNamedAfterTheirParameters) {
  EXPECT_EQ(layer_of_parameter("layer1.0.conv1.weight"), "layer1.0.conv1");
  EXPECT_EQ(layer_of_parameter("scale"), "scale");
  EXPECT_EQ(layer_of_parameter(".hidden"), ".hidden");
}

TEST(Norms, EqualThoseOfTheGradientsThemselves) {
  Fixture fixture;
  TrainingStep step = fixture.step();
  std::vector<Value> wants = step.gradients;
  wants.push_back(append_norms(step));
  const auto backend = cpu_backend();
  CompileOptions options;
  options.tune = false;
  options.carry = step.carry;
  Program program = compile(step.graph, wants, fixture.model.weights, *backend, options);
  auto feeds = fixture.feeds;
  feeds.merge(norms_feed(true));
  const std::vector<Tensor> values = program.run(feeds);
  const std::vector<LayerNorms> layers = layer_norms(step, values.back());
  ASSERT_EQ(layers.size(), 5u);
  size_t at = 0;
  for (const LayerNorms& layer : layers) {
    std::vector<Tensor> gradients, weights;
    for (; at < step.trained.size() && layer_of_parameter(step.trained[at]) == layer.name; ++at) {
      gradients.push_back(values[at]);
      weights.push_back(fixture.model.weights.at(step.trained[at]));
    }
    ASSERT_FALSE(gradients.empty()) << layer.name;
    EXPECT_GT(layer.gradient, 0);
    // A float's rounding in a sum of n squares grows at worst like n epsilon / 2, of which the root halves the share.
    const double count = static_cast<double>(weights[0].count() + 100) * 6e-8;
    EXPECT_NEAR(layer.gradient, norm(gradients), norm(gradients) * count) << layer.name;
    EXPECT_NEAR(layer.weight, norm(weights), norm(weights) * count) << layer.name;
  }
  EXPECT_EQ(at, step.trained.size());
  EXPECT_THROW(layer_norms(step, Tensor(DType::f32, {2, 3})), Error);
}

TEST(Norms, AClosedGateSkipsThemAndChangesNothing) {
  const auto backend = cpu_backend();
  // Weights after three steps, without norms and with a gate that is closed, open, closed.
  const auto trained = [&](bool with_norms, int& skipped) {
    Fixture fixture;
    TrainingStep step = fixture.step();
    std::vector<Value> wants = {step.loss};
    if (with_norms) wants.push_back(append_norms(step));
    CompileOptions options;
    options.tune = false;
    options.carry = step.carry;
    Program program = compile(step.graph, wants, fixture.model.weights, *backend, options);
    for (int i = 0; i < 3; ++i) {
      auto feeds = fixture.feeds;
      if (with_norms) feeds.merge(norms_feed(i == 1));
      const std::vector<Tensor> values = program.run(feeds);
      if (with_norms) EXPECT_EQ(norm({values[1]}) > 0, i == 1);
      if (i == 0 && with_norms) skipped = program.skipped();
      if (i == 1 && with_norms) EXPECT_LT(program.skipped(), skipped);
    }
    return program.state("fc1.weight");
  };
  int skipped = 0;
  const Tensor without = trained(false, skipped), with = trained(true, skipped);
  // At least a product and a sum for each of the ten parameters' weights and gradients.
  EXPECT_GE(skipped, 20);
  ASSERT_EQ(without.count(), with.count());
  for (int64_t i = 0; i < with.count(); ++i) ASSERT_EQ(without.at(i), with.at(i)) << i;
}

}  // namespace
}  // namespace fovea
