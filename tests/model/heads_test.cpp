// New heads, networks without auxiliary ones, and training with them.
#include "fovea/model/heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/formats/open.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/add.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/relu.h"
#include "fovea/train/training_step.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

Tensor scores_of(const Model& model, const Tensor& picture) {
  std::vector<Value> wants;
  for (const NamedValue& output : model.graph.outputs)
    if (output.name == model.meaning.scores) wants.push_back(output.value);
  const auto backend = cpu_backend();
  return compile(model.graph, wants, model.weights, *backend, {.tune = false}).run({{model.meaning.input, picture}})[0];
}

Tensor picture_for(const Model& model) {
  Tensor t(DType::f32, model.graph.shape({model.graph.find(model.meaning.input), 0}));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, Rng(7).normal(static_cast<uint64_t>(i)));
  return t;
}

// The head is new and learns from nothing; everything else is as it was.
void expect_new_head(const Model& before, const std::vector<std::string>& changed) {
  const std::vector<std::string> names = {"ant", "bee", "cat"};
  const Model after = with_new_head(before, 3, names, 5);
  verify(after.graph);
  EXPECT_EQ(after.meaning.classes, names);
  ASSERT_EQ(after.weights.size(), before.weights.size());
  for (const auto& [name, value] : after.weights) {
    const bool is_new = std::find(changed.begin(), changed.end(), name) != changed.end();
    const Tensor& old = before.weights.at(name);
    EXPECT_EQ(value.shape() != old.shape(), is_new) << name;
    if (!is_new) EXPECT_EQ(value.raw(), old.raw()) << name << " was copied";
  }
  const Tensor scores = scores_of(after, picture_for(after));
  EXPECT_EQ(scores.count(), 3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isfinite(scores.at(i)));
  const Model again = with_new_head(before, 3, names, 5), other = with_new_head(before, 3, names, 6);
  const Tensor& weight = after.weights.at(changed[0]);
  double size = 0;
  for (int64_t i = 0; i < weight.count(); ++i) size = std::max(size, std::abs(weight.at(i)));
  EXPECT_GT(size, 0);
  EXPECT_EQ(0, std::memcmp(weight.raw(), again.weights.at(changed[0]).raw(), weight.bytes()));
  EXPECT_NE(0, std::memcmp(weight.raw(), other.weights.at(changed[0]).raw(), weight.bytes()));
}

TEST(Heads, SixNetworksOfTheZoo) {
  const std::pair<const char*, std::vector<std::string>> networks[] = {
      {"resnet18", {"fc.weight", "fc.bias"}},
      {"lenet5", {"fc3.weight", "fc3.bias"}},
      {"densenet121", {"classifier.weight", "classifier.bias"}},
      {"squeezenet1_1", {"classifier.1.weight", "classifier.1.bias"}},
      {"googlenet", {"fc.weight", "fc.bias"}},
      {"resnet20_cifar", {"linear.weight", "linear.bias"}}};
  for (const auto& [name, changed] : networks) {
    SCOPED_TRACE(name);
    expect_new_head(zoo_model(name, {}, 1), changed);
  }
}

TEST(Heads, AuxiliaryClassifiersToo) {
  const Model model = zoo_model("googlenet_bvlc", {.heads = true}, 1);
  ASSERT_EQ(auxiliary_outputs(model.graph).size(), 2u);
  const Model after = with_new_head(model, 7, {}, 1);
  verify(after.graph);
  ASSERT_EQ(after.graph.outputs.size(), model.graph.outputs.size());
  for (const NamedValue& output : after.graph.outputs) EXPECT_EQ(after.graph.shape(output.value)[1], 7) << output.name;
  EXPECT_TRUE(after.meaning.classes.empty());
}

TEST(Heads, OfFilesOfOtherTools) {
  const std::filesystem::path folder = data_folder();
  for (const char* file : {"weights/squeezenet1.1_onnx/model.onnx", "weights/mnist_onnx/model.onnx"}) {
    SCOPED_TRACE(file);
    if (!std::filesystem::exists(folder / file))
      GTEST_SKIP() << "NOT TESTED: there is no " << folder / file << "; set FOVEA_DATA";
    const Model model = open_model(folder / file);
    const Model after = with_new_head(model, 4, {}, 1);
    verify(after.graph);
    EXPECT_EQ(scores_of(after, picture_for(after)).count(), 4);
    size_t changed = 0;
    for (const auto& [name, value] : after.weights)
      changed += !model.weights.contains(name) || value.shape() != model.weights.at(name).shape();
    EXPECT_GE(changed, 1u);
    EXPECT_LE(changed, 2u);
  }
}

TEST(Heads, WhatCannotGetOne) {
  Model model = zoo_model("resnet20_cifar", {}, 1);
  EXPECT_THROW(with_new_head(model, 0, {}, 1), Error);
  EXPECT_THROW(with_new_head(model, 3, {"one"}, 1), Error);
  model.meaning.scores.clear();
  EXPECT_THROW(with_new_head(model, 3, {}, 1), Error);
  Model sum;
  const Value x = input(sum.graph, "x", {DType::f32, {1, 4}});
  const Value w = parameter(sum.graph, "w", {DType::f32, {4, 5}}), v = parameter(sum.graph, "v", {DType::f32, {4, 5}});
  sum.graph.outputs.push_back({"scores", add(sum.graph, matmul(sum.graph, x, w), matmul(sum.graph, x, v))});
  sum.meaning.scores = "scores";
  EXPECT_THROW(with_new_head(sum, 3, {}, 1), Error);
}

// One step of each GoogLeNet with its early losses, and the network that is left afterwards.
TEST(Heads, GoogLeNetsTrainWithEarlyLosses) {
  for (const char* name : {"googlenet_bvlc", "googlenet"}) {
    SCOPED_TRACE(name);
    const Model model = zoo_model(name, {.classes = 5, .heads = true}, 1);
    Recipe recipe;
    recipe.batch = 2;
    const TrainingStep step = training_step(model, recipe);
    verify(step.graph);
    const auto backend = cpu_backend();
    const Value wants[] = {step.loss, step.total};
    Program program = compile(step.graph, wants, starting_weights(step, model.weights), *backend,
                              {.carry = step.carry, .tune = false});
    auto feeds = step.feeds(0, 0.01);
    Tensor& x = feeds[step.picture] = Tensor(DType::f32, {2, 3, 224, 224});
    for (int64_t i = 0; i < x.count(); ++i) x.set(i, Rng(7).normal(static_cast<uint64_t>(i)));
    feeds[step.labels] = Tensor::of<int64_t>({2}, {1, 3});
    const auto losses = program.run(feeds);
    EXPECT_TRUE(std::isfinite(losses[0].at(0)));
    // Two early losses of about ln 5 each weigh 0.3.
    EXPECT_GT(losses[1].at(0), losses[0].at(0) + 0.3);
    Model last = model;
    int changed = 0;
    for (const std::string& trained : step.trained) {
      last.weights[trained] = program.state(trained);
      changed += std::memcmp(last.weights[trained].raw(), model.weights.at(trained).raw(),
                             model.weights.at(trained).bytes()) != 0;
    }
    EXPECT_GT(changed, static_cast<int>(step.trained.size()) * 9 / 10);
    const Model left = trained_model(last, recipe);
    verify(left.graph);
    EXPECT_EQ(left.graph.outputs.size(), 1u);
    EXPECT_EQ(left.weights.size(), build(*find_architecture(name), {.classes = 5}).graph.parameters().size());
    EXPECT_LT(left.weights.size(), model.weights.size());
    const Tensor one = picture_for(left);
    const Tensor a = scores_of(left, one), b = scores_of(last, one);
    EXPECT_EQ(0, std::memcmp(a.raw(), b.raw(), a.bytes()));
  }
}

}  // namespace
}  // namespace fovea
