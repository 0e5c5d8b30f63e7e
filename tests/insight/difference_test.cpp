// Two small networks that differ in one known way each.
#include "fovea/insight/difference.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "fovea/base/rng.h"
#include "fovea/commands/diff.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/image/codec.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// What to do otherwise than the plain network.
struct Twist {
  bool without_second = false;    // the second convolution and its relu are left out
  bool branches_swapped = false;  // the branches are built in the other order
  int64_t stride = 1;             // of the third convolution
  std::string prefix;             // of every name
  bool generated_names = false;   // conv_3, relu_4, as nameless layers get them
  bool no_bias = false;           // of the first convolution
  std::function<void(Weights&)> weights = {};
};

// conv1 relu1 conv2 relu2 conv3 relu3 → (left, right) → join → mean; conv1 to conv3 have weights of the same shape.
Model network(const Twist& t = {}) {
  Model m;
  Graph& g = m.graph;
  std::vector<std::pair<std::string, Value>> parameters;  // the plain network's name, for the same values everywhere
  const auto named = [&](Value v, const std::string& name) {
    if (!t.generated_names) g.rename(v.node, t.prefix + name);
    return v;
  };
  const auto layer = [&](Value x, const std::string& name, int64_t kernel, int64_t stride, bool bias = true) {
    const Type weight{DType::f32, {3, 3, kernel, kernel}};
    const Value w = parameter(g, t.prefix + name + ".weight", weight);
    const Value b = bias ? parameter(g, t.prefix + name + ".bias", {DType::f32, {3}}) : Value{};
    parameters.emplace_back(name + ".weight", w);
    if (bias) parameters.emplace_back(name + ".bias", b);
    return named(conv(g, x, w, b, {.stride = stride, .pad = kernel / 2}), name);
  };
  Value x = input(g, "x", {DType::f32, {1, 3, 16, 16}});
  x = named(relu(g, layer(x, "conv1", 3, 1, !t.no_bias)), "relu1");
  if (!t.without_second) x = named(relu(g, layer(x, "conv2", 3, 1)), "relu2");
  x = named(relu(g, layer(x, "conv3", 3, t.stride)), "relu3");
  Value left, right;
  if (t.branches_swapped) right = layer(x, "right", 1, 1), left = layer(x, "left", 1, 1);
  else left = layer(x, "left", 1, 1), right = layer(x, "right", 1, 1);
  x = named(concat(g, {left, right}, 1), "join");
  g.outputs = {{"scores", named(reduce(g, x, {.axes = {2, 3}}), "mean")}};
  for (const auto& [name, value] : parameters) {
    const Rng rng = Rng(7).fork(name);
    Tensor tensor(DType::f32, g.shape(value));
    for (int64_t i = 0; i < tensor.count(); ++i)
      tensor.data<float>()[static_cast<size_t>(i)] = rng.uniform(static_cast<uint64_t>(i)) - 0.45f;
    m.weights[g.node(value).name] = tensor;
  }
  if (t.weights) t.weights(m.weights);
  m.meaning.name = "network";
  m.meaning.input = "x", m.meaning.scores = "scores";
  m.meaning.preprocess = preset("unit", 16, 16);
  m.meaning.classes = {"a", "b", "c", "d", "e", "f"};
  return m;
}

Tensor picture() {
  Tensor x(DType::f32, {1, 3, 16, 16});
  for (size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = Rng(3).uniform(i);
  return x;
}

AnswerDifference answers(const Model& a, const Model& b, const ModelDifference& d, double tolerance = 1e-4) {
  return answer_difference(a, b, d, picture(), picture(), tolerance, reference_backend());
}

const LayerPair* pair_named(const ModelDifference& d, const std::string& a) {
  for (const LayerPair& pair : d.pairs)
    if (pair.name_a == a) return &pair;
  return nullptr;
}

TEST(DistanceTest, ByHand) {
  const Tensor a = Tensor::of<float>({2, 2}, {3, 0, 0, 4}), b = Tensor::of<float>({2, 2}, {3, 0, 0, 1});
  const Distance d = distance(a, b);
  EXPECT_DOUBLE_EQ(d.relative, 3.0 / 5);
  EXPECT_DOUBLE_EQ(d.cosine, 13 / (5 * std::sqrt(10.0)));
  EXPECT_DOUBLE_EQ(d.largest, 3);
  EXPECT_EQ(d.at, 3);
  EXPECT_FALSE(d.same_bits);
  EXPECT_TRUE(distance(a, a).same_bits);
  EXPECT_EQ(distance(a, a).relative, 0);
  EXPECT_THROW(distance(a, Tensor::of<float>({4}, {3, 0, 0, 4})), Error);
}

TEST(DistanceTest, EdgesOfArithmetic) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor zero = Tensor::of<float>({2}, {0, 0}), one = Tensor::of<float>({2}, {1, 0});
  EXPECT_TRUE(std::isinf(distance(zero, one).relative));
  EXPECT_EQ(distance(zero, one).cosine, 0);
  EXPECT_EQ(distance(one, zero).relative, 1);
  const Distance negative = distance(zero, Tensor::of<float>({2}, {-0.0f, 0}));  // equal values, other bits
  EXPECT_EQ(negative.relative, 0);
  EXPECT_EQ(negative.cosine, 1);
  EXPECT_EQ(negative.at, -1);
  EXPECT_FALSE(negative.same_bits);
  const Distance d = distance(Tensor::of<float>({4}, {nan, inf, inf, 1}), Tensor::of<float>({4}, {nan, inf, 2, 2}));
  EXPECT_EQ(d.not_finite, 1);
  EXPECT_EQ(d.relative, 1);
  EXPECT_EQ(distance(one.cast(DType::f16), one).relative, 0);
}

TEST(DifferenceTest, ANetworkEqualsItself) {
  const Model a = network();
  const ModelDifference d = difference_of(a, a);
  EXPECT_EQ(d.pairs.size(), 10u);
  EXPECT_TRUE(d.same());
  EXPECT_TRUE(d.same_names());
  const AnswerDifference answer = answers(a, a, d, 0);
  EXPECT_EQ(answer.layers.size(), 10u);
  EXPECT_EQ(answer.first, -1);
  EXPECT_TRUE(answer.scores.same_bits);
}

TEST(DifferenceTest, OneChangedWeight) {
  const Model a = network();
  const Model b = network({.weights = [](Weights& w) { w["conv2.weight"].data<float>()[40] += 0.5f; }});
  const ModelDifference d = difference_of(a, b);
  EXPECT_TRUE(d.same_structure());
  EXPECT_FALSE(d.same_weights());
  for (const LayerPair& pair : d.pairs)
    for (const WeightDifference& w : pair.weights) {
      EXPECT_EQ(w.differs(), w.a == "conv2.weight") << w.a;
      if (!w.differs()) continue;
      EXPECT_EQ(w.distance.at, 40);
      EXPECT_NEAR(w.distance.largest, 0.5, 1e-6);
    }
  const AnswerDifference answer = answers(a, b, d);
  ASSERT_GE(answer.first, 0);
  EXPECT_EQ(d.pairs[static_cast<size_t>(answer.layers[static_cast<size_t>(answer.first)].pair)].name_a, "conv2");
  EXPECT_FALSE(answer.scores.same_bits);
}

TEST(DifferenceTest, OneRemovedLayer) {
  const ModelDifference d = difference_of(network(), network({.without_second = true}));
  ASSERT_EQ(d.removed.size(), 2u);
  EXPECT_EQ(d.removed[0].name, "conv2");
  EXPECT_EQ(d.removed[1].name, "relu2");
  EXPECT_TRUE(d.added.empty());
  EXPECT_TRUE(d.same_weights());
  for (const LayerPair& pair : d.pairs) EXPECT_FALSE(pair.changed()) << pair.name_a;
  const ModelDifference back = difference_of(network({.without_second = true}), network());
  ASSERT_EQ(back.added.size(), 2u);
  EXPECT_EQ(back.added[0].name, "conv2");
}

TEST(DifferenceTest, GeneratedNamesThatShiftMisleadNobody) {
  const Model a = network({.generated_names = true});
  const Model b = network({.without_second = true, .generated_names = true});
  const ModelDifference d = difference_of(a, b);
  EXPECT_EQ(d.pairs.size(), 8u);
  EXPECT_EQ(d.removed.size(), 2u);
  EXPECT_TRUE(d.same_weights());
  ASSERT_FALSE(d.removed.empty());
  EXPECT_EQ(a.graph.node(d.removed[0].node).inputs[1], a.graph.parameters()[2]);  // conv2's weight
}

TEST(DifferenceTest, OneChangedStride) {
  const Model a = network(), b = network({.stride = 2});
  const ModelDifference d = difference_of(a, b);
  EXPECT_TRUE(d.same_weights());
  EXPECT_FALSE(d.same_structure());
  const LayerPair* pair = pair_named(d, "conv3");
  ASSERT_TRUE(pair);
  ASSERT_EQ(pair->attributes.size(), 1u);
  EXPECT_EQ(pair->attributes[0].name, "stride");
  EXPECT_EQ(pair->attributes[0].a, "1");
  EXPECT_EQ(pair->attributes[0].b, "2");
  EXPECT_EQ(pair->shape_b, (Shape{1, 3, 8, 8}));
  EXPECT_FALSE(pair_named(d, "conv2")->changed());
  for (const ActivationDifference& layer : answers(a, b, d).layers) {
    const LayerPair& p = d.pairs[static_cast<size_t>(layer.pair)];
    EXPECT_EQ(layer.comparable, p.shape_a == p.shape_b) << p.name_a;
  }
}

TEST(DifferenceTest, AttributesSpeltOtherwiseAreEqual) {
  const auto one = [](ConvAttributes attributes) {
    Model m;
    const Value x = input(m.graph, "x", {DType::f32, {1, 3, 8, 8}});
    const Value w = parameter(m.graph, "w", {DType::f32, {3, 3, 3, 3}});
    m.weights["w"] = Tensor(DType::f32, {3, 3, 3, 3});
    m.graph.outputs = {{"y", conv(m.graph, x, w, {}, attributes)}};
    return m;
  };
  EXPECT_TRUE(difference_of(one({.pad = 1}), one({.stride = {1, 1}, .dilation = 1, .pad = {1, 1, 1, 1}})).same());
  EXPECT_FALSE(difference_of(one({.pad = 1}), one({.pad = {1, 1, 1, 0}})).same());
}

TEST(DifferenceTest, ARenamingIsRecognised) {
  const Model a = network(), b = network({.prefix = "net."});
  const ModelDifference d = difference_of(a, b);
  EXPECT_TRUE(d.same());
  EXPECT_FALSE(d.same_names());
  ASSERT_EQ(d.pairs.size(), 10u);
  for (const LayerPair& pair : d.pairs) EXPECT_EQ(pair.name_b, "net." + pair.name_a);
}

TEST(DifferenceTest, ARenamedNetworkWithOtherWeightsIsStillMatched) {
  const Model b = network({.prefix = "net.", .weights = [](Weights& weights) {
                             for (auto& [name, w] : weights)
                               for (float& v : w.data<float>()) v *= 1.5f;
                           }});
  const ModelDifference d = difference_of(network(), b);
  EXPECT_TRUE(d.same_structure());
  for (const LayerPair& pair : d.pairs) {
    EXPECT_EQ(pair.name_b, "net." + pair.name_a);
    for (const WeightDifference& w : pair.weights) EXPECT_NEAR(w.distance.relative, 0.5, 1e-6) << w.a;
  }
}

TEST(DifferenceTest, BranchesInAnotherOrder) {
  for (const char* prefix : {"", "net."}) {
    const ModelDifference d = difference_of(network(), network({.branches_swapped = true, .prefix = prefix}));
    EXPECT_TRUE(d.same()) << prefix;
    ASSERT_TRUE(pair_named(d, "left"));
    EXPECT_EQ(pair_named(d, "left")->name_b, std::string(prefix) + "left");
  }
}

TEST(DifferenceTest, HalfPrecisionRounding) {
  const Model a = network();
  const Model b = network({.weights = [](Weights& weights) {
    for (auto& [name, w] : weights) w = w.cast(DType::f16).cast(DType::f32);
  }});
  const ModelDifference d = difference_of(a, b);
  EXPECT_TRUE(d.same_structure());
  EXPECT_FALSE(d.same_weights());
  for (const LayerPair& pair : d.pairs)
    for (const WeightDifference& w : pair.weights) {
      EXPECT_GT(w.distance.relative, 0) << w.a;
      EXPECT_LE(w.distance.relative, 1.0 / 2048) << w.a;  // half a unit in the last of 11 places
      EXPECT_GT(w.distance.cosine, 0.999999) << w.a;
    }
  const AnswerDifference answer = answers(a, b, d, 1e-2);
  EXPECT_EQ(answer.first, -1);
  EXPECT_GT(answer.scores.relative, 0);
}

TEST(DifferenceTest, AMissingBias) {
  const ModelDifference d = difference_of(network(), network({.no_bias = true}));
  const LayerPair* pair = pair_named(d, "conv1");
  ASSERT_TRUE(pair);
  ASSERT_EQ(pair->weights.size(), 2u);
  EXPECT_EQ(pair->weights[1].a, "conv1.bias");
  EXPECT_EQ(pair->weights[1].b, "");
  EXPECT_FALSE(pair->weights[1].comparable);
  EXPECT_FALSE(d.same());
}

TEST(DifferenceTest, WhatANetworksNumbersMean) {
  Model b = network();
  b.meaning.classes[2] = "z";
  b.meaning.preprocess = preset("raw", 16, 16);
  const ModelDifference d = difference_of(network(), b);
  ASSERT_EQ(d.meaning.size(), 2u);
  EXPECT_EQ(d.meaning[0].name, "pictures");
  EXPECT_EQ(d.meaning[1].name, "class 2");
  EXPECT_FALSE(d.same());
}

// Through files.
class DiffCommandTest : public testing::Test {
 protected:
  DiffCommandTest() {
    char pattern[] = "/tmp/fovea-diff-XXXXXX";
    folder_ = mkdtemp(pattern);
    Image image(16, 16, 3);
    for (size_t i = 0; i < image.samples().size(); ++i) image.samples()[i] = static_cast<uint8_t>(i * 31);
    write_image(folder_ / "picture.png", image);
  }
  ~DiffCommandTest() override { fs::remove_all(folder_); }
  DiffOptions options(const Model& a, const Model& b) {
    write_onnx(a, folder_ / "a.onnx");
    write_onnx(b, folder_ / "b.onnx");
    DiffOptions o;
    o.model.model = (folder_ / "a.onnx").string(), o.other = (folder_ / "b.onnx").string();
    o.image = (folder_ / "picture.png").string();
    o.engine.tune = "off";
    o.exit_code = true;
    return o;
  }
  fs::path folder_;
};

TEST_F(DiffCommandTest, ARenamedOnnxFile) {
  const Report report = run({}, options(network(), network({.prefix = "net."})));
  EXPECT_FALSE(report.failed);
  const nlohmann::ordered_json& json = *report.json;
  EXPECT_EQ(json["same"], true);
  EXPECT_EQ(json["same_names"], false);
  EXPECT_EQ(json["renamed"].size(), json["matched"]);
  EXPECT_TRUE(json["activations"]["first_divergence"].is_null());
  EXPECT_EQ(json["activations"]["agree"], true);
}

TEST_F(DiffCommandTest, AChangedWeightAndItsPage) {
  DiffOptions o = options(network(), network({.weights = [](Weights& w) { w["conv3.weight"].data<float>()[13] = 9; }}));
  o.output = (folder_ / "page.html").string();
  const Report report = run({}, o);
  EXPECT_TRUE(report.failed);
  const nlohmann::ordered_json& json = *report.json;
  EXPECT_EQ(json["weights"][0]["a"], "conv3.weight");
  EXPECT_EQ(json["weights"][0]["at"], (std::vector<int>{0, 1, 1, 1}));
  EXPECT_EQ(json["weights"][1]["identical"], true);
  EXPECT_EQ(json["activations"]["first_divergence"]["a"], "conv3");
  EXPECT_NE(report.text.find("they part at"), std::string::npos);
  const Bytes page = Bytes::map(o.output);
  for (const char* part :
       {"id=\"structure\"", "id=\"weights\"", "id=\"activations\"", "id=\"guesses\"", "conv3.weight"})
    EXPECT_NE(page.view().find(part), std::string_view::npos) << part;
  EXPECT_EQ(page.view().find("http:"), std::string_view::npos);
  o.exit_code = false;
  EXPECT_FALSE(run({}, o).failed);
}

TEST_F(DiffCommandTest, OutputsAreRefusedBeforeTheWork) {
  DiffOptions o;
  o.model.model = o.other = "missing.onnx";
  o.output = "page.txt";
  try {
    run({}, o);
    FAIL();
  } catch (const Error& e) { EXPECT_EQ(e.kind(), ErrorKind::usage) << e.message(); }
}

}  // namespace
}  // namespace fovea
