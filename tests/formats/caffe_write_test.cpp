// What is written as Caffe reads back as the same network, and what Caffe lacks is refused by name.
#include <filesystem>

#include <unistd.h>

#include "fovea/base/rng.h"
#include "fovea/formats/caffe_write.h"
#include "fovea/formats/onnx_read.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/erf.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "tests/formats/caffe_bytes.h"

namespace fovea {
namespace {

Model reread(const Model& model) {
  const CaffeFiles files = to_caffe(model);
  return read_caffe(Bytes::copy(files.prototxt, "net.prototxt"), Bytes::own(files.caffemodel, "net.caffemodel"));
}

// Outputs of both for the same picture.
void expect_same(const Model& a, const Model& b, double tolerance) {
  Rng rng(3);
  const Shape shape = a.graph.shape(a.graph.inputs()[0]);
  Tensor x(DType::f32, shape);
  for (size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = static_cast<float>(rng.normal(i));
  ASSERT_EQ(a.graph.outputs.size(), b.graph.outputs.size());
  const auto values = [&](const Model& model) {
    std::map<std::string, Tensor> feeds(model.weights.begin(), model.weights.end());
    feeds[model.graph.node(model.graph.inputs()[0]).name] = x;
    std::vector<Value> wants;
    for (const NamedValue& output : model.graph.outputs) wants.push_back(output.value);
    return evaluate(model.graph, feeds, wants);
  };
  const auto want = values(a), got = values(b);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(a.graph.outputs[i].name, b.graph.outputs[i].name);
    ASSERT_EQ(got[i].count(), want[i].count());
    for (int64_t k = 0; k < got[i].count(); ++k)
      ASSERT_NEAR(got[i].at(k), want[i].at(k), tolerance * std::max(1.0, std::abs(want[i].at(k)))) << k;
  }
}

class CaffeRoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(CaffeRoundTrip, GivesTheSameNetwork) {
  const auto folder = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/caffe";
  const Model model =
      read_caffe(Bytes::map(folder / (GetParam() + ".prototxt")), Bytes::map(folder / (GetParam() + ".caffemodel")));
  const Model again = reread(model);
  verify(again.graph);
  expect_same(model, again, 1e-6);
  for (const auto& [name, weight] : model.weights) {
    ASSERT_TRUE(again.weights.contains(name)) << name;
    EXPECT_TRUE(again.weights.at(name).reshaped(weight.shape()).same_bits(weight)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CaffeRoundTrip, testing::Values("windows", "elementwise"),
                         [](const auto& instance) { return instance.param; });

// Everything of the golden network but the normalisation within channels, which is a composition.
TEST(CaffeWrite, BatchNormKeepsItsNames) {
  const auto folder = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/caffe";
  const Model model =
      read_caffe(Bytes::map(folder / "normalise.prototxt"), Bytes::map(folder / "normalise.caffemodel"));
  const Model again = reread(model);
  expect_same(model, again, 1e-5);
  for (const auto& [name, weight] : model.weights) {
    ASSERT_TRUE(again.weights.contains(name)) << name;
    EXPECT_TRUE(again.weights.at(name).same_bits(weight)) << name;
  }
}

TEST(CaffeWrite, OnnxGoldenBecomesCaffeOrIsRefused) {
  const auto folder = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/onnx/files";
  for (const std::string name : {"modern", "old", "shapes"}) try {
      const Model model = read_onnx(Bytes::map(folder / (name + ".onnx")));
      expect_same(model, reread(model), 1e-4);
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.kind()), to_string(ErrorKind::unsupported)) << error.message();
      EXPECT_NE(error.message().find("cannot be written as Caffe"), std::string::npos) << error.message();
    }
}

TEST(CaffeWrite, PreprocessingAndFiles) {
  const Model source = read_caffe(prototxt(network("1388", R"(
      layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 3 kernel_size: 3 } }
      layer { name: "fc" type: "InnerProduct" bottom: "c" top: "fc" inner_product_param { num_output: 4 } }
      layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" dropout_param { dropout_ratio: 0.125 } }
      layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" })")),
                                  std::nullopt);
  Model model = source;
  model.meaning.name = "small";
  model.meaning.preprocess = preset("torchvision", 8, 8);
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("fovea_caffe_{}", ::getpid());
  std::filesystem::create_directories(folder);
  write_caffe(model, folder / "a.caffemodel", folder / "a.prototxt");
  EXPECT_TRUE(is_caffemodel(Bytes::map(folder / "a.caffemodel")));
  EXPECT_TRUE(is_prototxt(Bytes::map(folder / "a.prototxt")));
  const Model again = read_caffe(Bytes::map(folder / "a.prototxt"), Bytes::map(folder / "a.caffemodel"));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(again.meaning.name, "small");
  EXPECT_EQ(describe(*again.meaning.preprocess), describe(*model.meaning.preprocess));
  EXPECT_EQ(again.meaning.scores, "prob");
  EXPECT_TRUE(again.meaning.probabilities);
  expect_same(model, again, 1e-6);
  for (const auto& [name, weight] : model.weights) EXPECT_TRUE(again.weights.at(name).same_bits(weight)) << name;
}

Model one(Shape shape, Value (*build)(Graph&, Value)) {
  Model model;
  const Value x = input(model.graph, "data", {DType::f32, shape});
  model.graph.outputs.push_back({"y", build(model.graph, x)});
  model.weights = initial_weights(model.graph, 1);
  return model;
}

// Over 7 columns both roundings give the same windows of 3 at stride 2; over 8 they do not.
TEST(CaffeWrite, PoolingSaysHowItRounds) {
  const auto floor_pool = [](Graph& g, Value x) { return max_pool(g, x, {.kernel = {3, 3}, .stride = 2}); };
  EXPECT_EQ(to_caffe(one({1, 1, 7, 7}, floor_pool)).prototxt.find("round_mode"), std::string::npos);
  const Model model = one({1, 1, 8, 8}, floor_pool);
  EXPECT_NE(to_caffe(model).prototxt.find("round_mode: FLOOR"), std::string::npos);
  expect_same(model, reread(model), 0);
}

TEST(CaffeWrite, AnOutputThatIsReadStaysAnOutput) {
  Model model;
  const Value x = input(model.graph, "data", {DType::f32, {1, 1, 2, 2}});
  const Value a = relu(model.graph, x), b = relu(model.graph, a);
  model.graph.outputs = {{"b", b}, {"a", a}};
  const Model again = reread(model);
  ASSERT_EQ(again.graph.outputs.size(), 2u);
  EXPECT_EQ(again.graph.outputs[1].name, "a");
}

void expect_refused(const Model& model, std::string_view why) {
  try {
    to_caffe(model);
    FAIL() << "not refused: " << why;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.kind()), to_string(ErrorKind::unsupported));
    EXPECT_NE(error.message().find(why), std::string::npos) << error.message();
  }
}

TEST(CaffeWrite, WhatCaffeLacksIsRefused) {
  expect_refused(one({1, 1, 4, 4}, [](Graph& g, Value x) { return erf(g, x); }),
                 "(erf) cannot be written as Caffe: Caffe has no such layer");
  expect_refused(one({1, 1, 4, 4},
                     [](Graph& g, Value x) {
                       return conv(g, x, parameter(g, "w", {DType::f32, {1, 1, 2, 2}}), {}, {.pad = {0, 0, 1, 1}});
                     }),
                 "pads both sides alike");
  expect_refused(one({1, 1, 4, 4},
                     [](Graph& g, Value x) {
                       return average_pool(g, x, {.kernel = {3, 3}, .stride = 1, .pad = 1});
                     }),
                 "average counts padding");
  expect_refused(one({1, 1, 7, 7},
                     [](Graph& g, Value x) {
                       return max_pool(g, x, {.kernel = {2, 2}, .dilation = 2});
                     }),
                 "no dilation");
}

TEST(CaffeWrite, MissingWeightsAreNamed) {
  Model model = one({1, 1, 4, 4}, [](Graph& g, Value x) {
    return conv(g, x, parameter(g, "the_weight", {DType::f32, {1, 1, 3, 3}}));
  });
  model.weights.clear();
  try {
    to_caffe(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.kind()), to_string(ErrorKind::usage));
    EXPECT_NE(error.message().find("the_weight"), std::string::npos);
  }
}

}  // namespace
}  // namespace fovea
