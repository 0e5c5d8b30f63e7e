// Checkpoints under the names that people's repositories give them.
#include "fovea/model/zoo/recognise.h"

#include <gtest/gtest.h>

#include <functional>
#include <regex>

#include "fovea/base/error.h"
#include "fovea/model/layers.h"
#include "fovea/model/statistics.h"

namespace fovea {
namespace {

using Renaming = std::function<std::string(const std::string&)>;

// Tensors of the right shapes, numbered so that it can be told which went where.
Weights weights_of(const std::string& name, const ZooOptions& options = {}, const Renaming& renaming = {}) {
  const Architecture* architecture = find_architecture(name);
  require(architecture != nullptr, ErrorKind::internal, "no {}", name);
  const Model model = build(*architecture, options);
  Weights weights;
  double number = 0;
  for (const Value p : model.graph.parameters()) {
    Tensor t(DType::f32, model.graph.shape(p));
    t.set(0, ++number);
    const std::string& own = model.graph.node(p).name;
    weights[renaming ? renaming(own) : own] = t;
  }
  return weights;
}

Renaming replacing(const std::string& pattern, const std::string& with) {
  return [=](const std::string& name) { return std::regex_replace(name, std::regex(pattern), with); };
}

// Every parameter must hold the tensor that was numbered for it.
void expect_all(const Model& model) {
  double number = 0;
  for (const Value p : model.graph.parameters()) {
    const auto found = model.weights.find(model.graph.node(p).name);
    ASSERT_NE(found, model.weights.end()) << model.graph.node(p).name;
    EXPECT_EQ(found->second.at(0), ++number) << model.graph.node(p).name;
    EXPECT_EQ(to_string(found->second.shape()), to_string(model.graph.shape(p)));
  }
}

TEST(Recognise, EveryArchitectureByItsOwnNames) {
  for (const Architecture& a : architectures()) {
    if (a.depth > 400) continue;  // thousands of layers: the same code, slower
    const Model model = recognise(weights_of(a.name));
    EXPECT_FALSE(model.meaning.notes.empty());
    EXPECT_TRUE(model.meaning.trained);
    // Some architectures differ in what has no weights only; then the first of them is found.
    const Model own = build(a, {});
    EXPECT_EQ(model.graph.parameters().size(), own.graph.parameters().size())
        << a.name << " " << model.meaning.architecture;
    expect_all(model);
  }
}

TEST(Recognise, OtherSpellings) {
  const struct {
    const char* architecture;
    Renaming renaming;
  } cases[] = {
      {"alexnet", replacing("^features\\.", "features.module.")},
      {"densenet121", replacing("\\.(norm|conv)(\\d)\\.", ".$1.$2.")},
      {"resnet18", replacing("downsample", "shortcut")},
      {"resnet20_cifar_b", replacing("shortcut", "downsample")},
      {"resnet20_cifar", replacing("linear", "fc")},
      {"resnet18", replacing("running_var", "moving_variance")},
  };
  for (const auto& c : cases) {
    const Model model = recognise(weights_of(c.architecture, {}, c.renaming));
    EXPECT_EQ(model.meaning.architecture, c.architecture);
    expect_all(model);
  }
}

TEST(Recognise, TimmsVgg) {
  Weights weights;
  for (const auto& [name, tensor] : weights_of("vgg11")) {
    std::string other = std::regex_replace(name, std::regex("classifier\\.0\\."), "pre_logits.fc1.");
    other = std::regex_replace(other, std::regex("classifier\\.3\\."), "pre_logits.fc2.");
    other = std::regex_replace(other, std::regex("classifier\\.6\\."), "head.fc.");
    const bool first = name == "classifier.0.weight", second = name == "classifier.3.weight";
    weights[other] = first ? tensor.reshaped({4096, 512, 7, 7}) : second ? tensor.reshaped({4096, 4096, 1, 1}) : tensor;
  }
  const Model model = recognise(weights);
  EXPECT_EQ(model.meaning.architecture, "vgg11");
  expect_all(model);
}

TEST(Recognise, OtherClassesAndChannels) {
  const Model few = recognise(weights_of("resnet18", {.classes = 37}));
  EXPECT_EQ(few.meaning.architecture, "resnet18");
  EXPECT_EQ(few.graph.shape(few.graph.outputs[0].value), (Shape{1, 37}));
  EXPECT_TRUE(few.meaning.classes.empty());
  const Model grey = recognise(weights_of("squeezenet1_1", {.classes = 10, .channels = 1}));
  EXPECT_EQ(grey.meaning.architecture, "squeezenet1_1");
  EXPECT_EQ(grey.graph.shape(grey.graph.inputs()[0])[1], 1);
  EXPECT_EQ(grey.meaning.preprocess->colour, "grey");
}

TEST(Recognise, FeaturesOnlyAreCutAtTheirEnd) {
  Weights weights = weights_of("vgg11");
  std::erase_if(weights, [](const auto& w) { return w.first.starts_with("classifier"); });
  const Model model = recognise(weights);
  EXPECT_EQ(model.meaning.architecture, "vgg11");
  ASSERT_EQ(model.graph.outputs.size(), 1u);
  EXPECT_EQ(model.graph.shape(model.graph.outputs[0].value), (Shape{1, 512, 7, 7}));
  EXPECT_TRUE(model.meaning.scores.empty());
  expect_all(model);
}

TEST(Recognise, CaffesNamesMeanCaffesColours) {
  const Model named = build(*find_architecture("vgg19"), {});
  Weights weights;
  for (const auto& [name, tensor] : weights_of("vgg19")) {
    const size_t dot = name.rfind('.');
    for (const auto& [alias, node] : named.meaning.aliases)
      if (node == name.substr(0, dot) && alias.starts_with("conv")) weights[alias + name.substr(dot)] = tensor;
  }
  ASSERT_EQ(weights.size(), 32u);
  const Model model = recognise(weights);
  EXPECT_EQ(model.meaning.architecture, "vgg19");
  EXPECT_EQ(model.meaning.preprocess->colour, "bgr");
  expect_all(model);
  EXPECT_EQ(recognise(weights_of("vgg16"), {.hint = "vgg16-00b39a1b.pth"}).meaning.preprocess->colour, "bgr");
  EXPECT_EQ(recognise(weights_of("vgg16"), {.hint = "vgg16-397923af.pth"}).meaning.preprocess->colour, "rgb");
}

TEST(Recognise, SaysWhatDoesNotFit) {
  const auto message = [](const Weights& weights, const RecogniseOptions& options = {}) -> std::string {
    try {
      recognise(weights, options);
    } catch (const Error& e) { return e.message(); }
    return "";
  };
  Weights weights = weights_of("resnet18");
  weights.erase("layer1.0.conv1.weight");
  EXPECT_NE(message(weights).find("nearest is resnet18; missing 1: layer1.0.conv1.weight"), std::string::npos)
      << message(weights);
  weights = weights_of("resnet18");
  weights["extra.weight"] = Tensor(DType::f32, {3});
  EXPECT_NE(message(weights).find("surplus 1: extra.weight"), std::string::npos) << message(weights);
  weights = weights_of("resnet18");
  weights["layer1.0.conv1.weight"] = Tensor(DType::f32, {64, 64, 5, 5});
  EXPECT_NE(message(weights).find("layer1.0.conv1.weight is 64x64x5x5, expected 64x64x3x3"), std::string::npos)
      << message(weights);
  EXPECT_NE(message(weights_of("resnet18"), {.architecture = "resnet34"}).find("missing"), std::string::npos);
  EXPECT_NE(message(weights_of("resnet18"), {.architecture = "resnet"}).find("did you mean"), std::string::npos);
  EXPECT_NE(message({}).find("no tensors"), std::string::npos);
}

TEST(Layers, AnyOfTheirNamesReachesThem) {
  const Model vgg = build(*find_architecture("vgg19"), {});
  EXPECT_EQ(find_layer(vgg, "relu4_2"), find_layer(vgg, "features.22"));
  for (const char* name : {"googlenet", "googlenet_bvlc"}) {
    const Model google = build(*find_architecture(name), {});
    const Value layer = find_layer(google, "inception_4c/output");
    EXPECT_EQ(find_layer(google, "mixed4c"), layer);
    EXPECT_EQ(find_layer(google, "inception4c"), layer);
    EXPECT_EQ(google.graph.shape(layer)[1], 512);
  }
  try {
    find_layer(vgg, "relu4_7");
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("did you mean"), std::string::npos) << e.message(); }
}

}  // namespace
}  // namespace fovea
