// Caffe's networks as a whole: the three forms of layers, blobs and names, phases, inputs, weights and meaning.
#include <cmath>

#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/dropout.h"
#include "tests/formats/caffe_bytes.h"

namespace fovea {
namespace {

// One network in the three forms.
const char* const kV2 = R"(name: "forms" input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 6
  layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
    convolution_param { num_output: 4 pad: 1 kernel_size: 3 stride: 2 group: 2 weight_filler { type: "xavier" } } }
  layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
  layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
  layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
  layer { name: "both" type: "Concat" bottom: "pool1" bottom: "norm1" top: "both" }
  layer { name: "fc" type: "InnerProduct" bottom: "both" top: "fc" inner_product_param { num_output: 3 } }
  layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" dropout_param { dropout_ratio: 0.25 } }
  layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" })";

const char* const kV1 = R"(name: "forms" input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 6
  layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2
    convolution_param { num_output: 4 pad: 1 kernel_size: 3 stride: 2 group: 2 } }
  layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
  layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
  layers { name: "norm1" type: LRN bottom: "pool1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
  layers { name: "both" type: CONCAT bottom: "pool1" bottom: "norm1" top: "both" concat_param { concat_dim: 1 } }
  layers { name: "fc" type: INNER_PRODUCT bottom: "both" top: "fc" inner_product_param { num_output: 3 } }
  layers { name: "drop" type: DROPOUT bottom: "fc" top: "fc" dropout_param { dropout_ratio: 0.25 } }
  layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" })";

const char* const kV0 = R"(name: "forms" input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 6
  layers { layer { name: "pad1" type: "padding" pad: 1 } bottom: "data" top: "padded" }
  layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 stride: 2 group: 2 } bottom: "padded" top: "conv1" }
  layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
  layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 2 stride: 2 } bottom: "conv1" top: "pool1" }
  layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.75 } bottom: "pool1" top: "norm1" }
  layers { layer { name: "both" type: "concat" } bottom: "pool1" bottom: "norm1" top: "both" }
  layers { layer { name: "fc" type: "innerproduct" num_output: 3 } bottom: "both" top: "fc" }
  layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.25 } bottom: "fc" top: "fc" }
  layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" })";

TEST(CaffeForms, GiveTheSameGraph) {
  const Model v2 = read_caffe(prototxt(kV2), std::nullopt);
  verify(v2.graph);
  for (const char* text : {kV1, kV0}) {
    ASSERT_TRUE(is_prototxt(prototxt(text)));
    const Model old = read_caffe(prototxt(text), std::nullopt);
    EXPECT_EQ(old.graph.text(), v2.graph.text());
    EXPECT_EQ(old.meaning.scores, v2.meaning.scores);
    for (const auto& [name, weight] : v2.weights) EXPECT_TRUE(weight.same_bits(old.weights.at(name))) << name;
  }
  EXPECT_EQ(v2.graph.node(v2.graph.find("drop")).attributes.as<DropoutAttributes>().rate, 0.25);
  const ConvAttributes& conv = v2.graph.node(v2.graph.find("conv1")).attributes.as<ConvAttributes>();
  EXPECT_EQ(conv.pad, (Ints{1, 1}));
  EXPECT_EQ(conv.groups, 2);
}

// Each form holds its blobs in another place, the old ones with four sizes.
TEST(CaffeForms, GiveTheSameWeights) {
  const auto fill = [](caffe::BlobProto& blob, std::vector<int> sizes, int count) {
    blob.set_num(sizes[0]);
    blob.set_channels(sizes[1]);
    blob.set_height(sizes[2]);
    blob.set_width(sizes[3]);
    for (int i = 0; i < count; ++i) blob.add_data(0.5f * static_cast<float>(i) - 3);
  };
  caffe::NetParameter v0, v1, v2;
  auto* conv0 = v0.add_layers()->mutable_layer();
  conv0->set_name("conv1");
  conv0->set_type("conv");
  fill(*conv0->add_blobs(), {4, 1, 3, 3}, 36);
  fill(*conv0->add_blobs(), {1, 1, 1, 4}, 4);
  auto* fc0 = v0.add_layers()->mutable_layer();
  fc0->set_name("fc");
  fc0->set_type("innerproduct");
  fill(*fc0->add_blobs(), {1, 1, 3, 32}, 96);
  fill(*fc0->add_blobs(), {1, 1, 1, 3}, 3);
  for (const auto& old : v0.layers()) {
    auto* layer = v1.add_layers();
    layer->set_name(old.layer().name());
    layer->set_type(old.layer().name() == "fc" ? caffe::V1LayerParameter::INNER_PRODUCT
                                               : caffe::V1LayerParameter::CONVOLUTION);
    *layer->mutable_blobs() = old.layer().blobs();
    auto& modern = add_layer(v2, old.layer().name(), layer->name() == "fc" ? "InnerProduct" : "Convolution");
    *modern.mutable_blobs() = old.layer().blobs();
    for (auto& blob : *modern.mutable_blobs()) {  // with a shape, and in double
      const std::vector<int64_t> all{blob.num(), blob.channels(), blob.height(), blob.width()};
      const size_t first = blob.data_size() == 36 ? 0 : blob.data_size() == 96 ? 2 : 3;
      for (size_t k = first; k < 4; ++k) blob.mutable_shape()->add_dim(all[k]);
      for (const float value : blob.data()) blob.add_double_data(double{value});
      blob.clear_data();
      blob.clear_num(), blob.clear_channels(), blob.clear_height(), blob.clear_width();
    }
  }
  const Weights want = read_caffemodel(caffemodel(v2));
  ASSERT_EQ(want.size(), 4u);
  EXPECT_EQ(want.at("conv1.weight").shape(), (Shape{4, 1, 3, 3}));
  EXPECT_EQ(want.at("fc.weight").shape(), (Shape{3, 32}));
  EXPECT_EQ(want.at("fc.bias").shape(), (Shape{3}));
  EXPECT_EQ(want.at("fc.weight").at(1), -2.5);
  for (const caffe::NetParameter* old : {&v0, &v1}) {
    ASSERT_TRUE(is_caffemodel(caffemodel(*old)));
    const Weights got = read_caffemodel(caffemodel(*old));
    EXPECT_EQ(got.size(), want.size());
    for (const auto& [name, weight] : want) {
      EXPECT_EQ(got.at(name).shape(), weight.shape()) << name;
      EXPECT_TRUE(got.at(name).same_bits(weight)) << name;
    }
  }
  const Model joined = read_caffe(prototxt(kV2), caffemodel(v0));
  EXPECT_TRUE(joined.meaning.trained);
  EXPECT_TRUE(joined.weights.at("fc.weight").same_bits(want.at("fc.weight")));
}

TEST(CaffeForms, LargeBlobsStayInTheFile) {
  caffe::NetParameter weights;
  std::vector<float> values(4096);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  add_blob(add_layer(weights, "fc", "InnerProduct"), {64, 64}, values);
  const Weights read = read_caffemodel(caffemodel(weights));
  ASSERT_EQ(read.at("fc.weight").shape(), (Shape{64, 64}));
  for (int64_t i = 0; i < 4096; ++i) ASSERT_EQ(read.at("fc.weight").at(i), static_cast<double>(i));
}

TEST(CaffeWeights, BatchNormIsDividedByItsFactor) {
  caffe::NetParameter weights;
  auto& layer = add_layer(weights, "bn", "BatchNorm");
  add_blob(layer, {2}, {2, 6});
  add_blob(layer, {2}, {4, 16});
  add_blob(layer, {1}, {4});
  const Weights read = read_caffemodel(caffemodel(weights));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read.at("bn.running_mean").to_doubles(), (std::vector<double>{0.5, 1.5}));
  EXPECT_EQ(read.at("bn.running_var").to_doubles(), (std::vector<double>{1, 4}));
}

TEST(CaffeWeights, BatchNormAndScaleAreOneOperator) {
  caffe::NetParameter weights;
  auto& bn = add_layer(weights, "bn", "BatchNorm");
  add_blob(bn, {1}, {1});
  add_blob(bn, {1}, {4});
  add_blob(bn, {1}, {1});
  auto& scale = add_layer(weights, "scale", "Scale");
  add_blob(scale, {1}, {3});
  add_blob(scale, {1}, {10});
  const Model model = read_caffe(prototxt(network("1112", R"(
      layer { name: "bn" type: "BatchNorm" bottom: "data" top: "x" batch_norm_param { eps: 0 } }
      layer { name: "scale" type: "Scale" bottom: "x" top: "x" scale_param { bias_term: true } })")),
                                 caffemodel(weights));
  EXPECT_EQ(model.graph.node(model.graph.find("scale")).op->name, "batch_norm");
  expect_values(run(model, Tensor::of<float>({1, 1, 1, 2}, {1, 5}))[0], {1, 1, 1, 2}, {10, 16});
}

TEST(CaffeNames, BlobsNamedUnlikeLayersAreAliases) {
  const Model model = read_caffe(prototxt(network("1122", R"(
      layer { name: "relu1" type: "ReLU" bottom: "data" top: "features" }
      layer { name: "square" type: "Power" bottom: "features" top: "features" power_param { power: 2 } }
      layer { name: "sigmoid" type: "Sigmoid" bottom: "features" top: "sigmoid" })")),
                                 std::nullopt);
  ASSERT_EQ(model.meaning.aliases.size(), 1u);
  EXPECT_EQ(model.meaning.aliases[0], (std::pair<std::string, std::string>{"features", "square"}));
  EXPECT_GE(model.graph.find("relu1"), 0);
  ASSERT_EQ(model.graph.outputs.size(), 1u);
  EXPECT_EQ(model.graph.outputs[0].name, "sigmoid");
}

const char* const kTraining = R"(name: "LeNet"
  layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TRAIN }
    transform_param { scale: 0.5 mean_value: 10 crop_size: 8 force_gray: true } data_param { source: "train_lmdb" batch_size: 64 } }
  layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TEST }
    transform_param { scale: 0.25 mean_value: 20 crop_size: 8 force_gray: true } data_param { source: "test_lmdb" } }
  layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
  layer { name: "noise" type: "Power" bottom: "ip" top: "noise" include { phase: TRAIN } }
  layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" exclude { phase: TRAIN } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" })";

TEST(CaffePhases, RulesChooseLayers) {
  const Model test = read_caffe(prototxt(kTraining), std::nullopt);
  EXPECT_LT(test.graph.find("noise"), 0);
  ASSERT_EQ(test.graph.outputs.size(), 1u);
  EXPECT_EQ(test.meaning.scores, "loss");  // its softmax
  EXPECT_TRUE(test.meaning.probabilities);
  EXPECT_EQ(test.graph.shape(test.graph.inputs()[0]), (Shape{1, 1, 8, 8}));
  ASSERT_TRUE(test.meaning.preprocess.has_value());
  EXPECT_EQ(test.meaning.preprocess->scale, 0.25);
  EXPECT_EQ(test.meaning.preprocess->mean, (std::vector<double>{5}));  // (x - 20) / 4
  const Model train = read_caffe(prototxt(kTraining), std::nullopt, {.phase = "train"});
  EXPECT_GE(train.graph.find("noise"), 0);
  EXPECT_EQ(train.graph.outputs.size(), 2u);
  EXPECT_EQ(train.meaning.preprocess->scale, 0.5);
  EXPECT_THROW(read_caffe(prototxt(kTraining), std::nullopt, {.phase = "deploy"}), Error);
}

TEST(CaffePhases, StagesAndLevels) {
  const std::string text = network("1122", R"(
      layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { stage: "deploy" min_level: 1 } }
      layer { name: "b" type: "ReLU" bottom: "data" top: "b" include { not_stage: "deploy" } include { max_level: 0 } }
      layer { name: "c" type: "ReLU" bottom: "data" top: "c" })");
  EXPECT_EQ(read_caffe(prototxt(text), std::nullopt).graph.outputs.size(), 2u);  // b, c
  const Model staged = read_caffe(prototxt("state { level: 2 stage: \"deploy\" } " + text), std::nullopt);
  ASSERT_EQ(staged.graph.outputs.size(), 2u);
  EXPECT_EQ(staged.graph.outputs[0].name, "a");
}

TEST(CaffeInputs, BatchBecomesOne) {
  const std::string head =
      R"(layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 4 dim: 4 } } })";
  const std::string relu = R"(layer { name: "r" type: "ReLU" bottom: "data" top: "r" })";
  const Model model = read_caffe(prototxt(head + relu), std::nullopt);
  EXPECT_EQ(model.graph.shape(model.graph.inputs()[0]), (Shape{1, 3, 4, 4}));
  const Model kept =
      read_caffe(prototxt(head + relu +
                          R"(layer { name: "s" type: "Slice" bottom: "r" top: "x" top: "y" slice_param { axis: 0 } })"),
                 std::nullopt);
  EXPECT_EQ(kept.graph.shape(kept.graph.inputs()[0]), (Shape{10, 3, 4, 4}));
}

TEST(CaffeInputs, ConventionsOfPictures) {
  const auto meaning = [](const std::string& sizes) {
    return read_caffe(prototxt("input: \"data\" input_shape {" + sizes +
                               "} layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"r\" }"),
                      std::nullopt)
        .meaning;
  };
  const Preprocess large = *meaning("dim: 1 dim: 3 dim: 227 dim: 227").preprocess;
  EXPECT_EQ(large.size, 256);
  EXPECT_EQ(large.crop_height, 227);
  EXPECT_EQ(large.colour, "bgr");
  EXPECT_EQ(large.scale, 1);
  EXPECT_EQ(large.mean, (std::vector<double>{104, 117, 123}));
  EXPECT_EQ(meaning("dim: 1 dim: 3 dim: 32 dim: 32").preprocess->size, 32);
  const Preprocess grey = *meaning("dim: 1 dim: 1 dim: 28 dim: 28").preprocess;
  EXPECT_EQ(grey.colour, "grey");
  EXPECT_EQ(grey.scale, 0.00390625);
  EXPECT_FALSE(meaning("dim: 1 dim: 5 dim: 28 dim: 28").preprocess.has_value());
}

TEST(CaffeInputs, MeanImage) {
  caffe::BlobProto blob;
  blob.set_num(1), blob.set_channels(3), blob.set_height(1), blob.set_width(2);
  for (const float value : {1.f, 3.f, 10.f, 20.f, 5.f, 5.f}) blob.add_data(value);
  const Tensor mean = read_binaryproto(Bytes::copy(blob.SerializeAsString(), "mean.binaryproto"));
  EXPECT_EQ(mean.shape(), (Shape{1, 3, 1, 2}));
  Preprocess how = preset("caffe");
  how.scale = 0.5;
  EXPECT_NE(use_mean_image(how, mean).find("2x1"), std::string::npos);
  EXPECT_EQ(how.mean, (std::vector<double>{1, 7.5, 2.5}));
  Preprocess grey = preset("mnist");
  EXPECT_THROW(use_mean_image(grey, mean), Error);
}

// Without weights a network starts where Caffe's layers do.
TEST(CaffeUntrained, FactorsStartAtOne) {
  const Model model = read_caffe(prototxt(network("1222", R"(
      layer { name: "s" type: "Scale" bottom: "data" top: "s" }
      layer { name: "p" type: "PReLU" bottom: "s" top: "p" }
      layer { name: "b" type: "Bias" bottom: "p" top: "b" }
      layer { name: "n" type: "BatchNorm" bottom: "b" top: "n" batch_norm_param { eps: 0 } })")),
                                 std::nullopt);
  EXPECT_FALSE(model.meaning.trained);
  const Tensor x = Tensor::of<float>({1, 2, 2, 2}, {-4, 1, 2, 3, 4, 5, 6, -8});
  expect_values(run(model, x)[0], {1, 2, 2, 2}, {-1, 1, 2, 3, 4, 5, 6, -2});
}

TEST(CaffeKinds, AreKnownByContent) {
  caffe::NetParameter weights;
  add_blob(add_layer(weights, "fc", "InnerProduct"), {1, 1}, {1});
  EXPECT_TRUE(is_caffemodel(caffemodel(weights)));
  EXPECT_FALSE(is_prototxt(caffemodel(weights)));
  EXPECT_TRUE(is_prototxt(prototxt(std::string("# LeNet\n\n") + kTraining)));
  EXPECT_FALSE(is_caffemodel(prototxt(kTraining)));
  for (const std::string other :
       {"", "layer", "net: \"train_val.prototxt\" base_lr: 0.01", "name: \"x\"", "{\"layer\": {}}", "P5 3 3 255",
        "layer by layer, a story", "\x89PNG", "PK\x03\x04"}) {
    EXPECT_FALSE(is_prototxt(prototxt(other))) << other;
    EXPECT_FALSE(is_caffemodel(prototxt(other))) << other;
  }
  const auto onnx = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/onnx/files";
  for (const std::string name : {"modern.onnx", "old.onnx", "shapes.onnx"})
    EXPECT_FALSE(is_caffemodel(Bytes::map(onnx / name))) << name;
}

}  // namespace
}  // namespace fovea
