// Each layer of Caffe: against numbers worked out by hand, and small random networks against OpenCV's importer (see
// tests/golden/caffe/make.py).
#include <cmath>
#include <cstring>
#include <filesystem>

#include "fovea/commands/model_options.h"
#include "tests/formats/caffe_bytes.h"

namespace fovea {
namespace {

std::vector<float> floats(const std::filesystem::path& path) {
  const Bytes bytes = Bytes::map(path);
  std::vector<float> result(bytes.size() / 4);
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

class CaffeGolden : public testing::TestWithParam<std::string> {};

TEST_P(CaffeGolden, AgreesWithOpenCv) {
  const auto file = [&](const std::string& ending) {
    return std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/caffe" / (GetParam() + ending);
  };
  const Model model = read_caffe(Bytes::map(file(".prototxt")), Bytes::map(file(".caffemodel")));
  verify(model.graph);
  ASSERT_EQ(model.graph.outputs.size(), 1u);
  const Tensor data = Tensor::of<float>({1, 6, 13, 11}, floats(file(".input.bin")));
  const std::vector<float> want = floats(file(".output.bin"));
  Engine engine(EngineOptions{.tune = "off"});
  Program program = engine.compile(model, std::vector<Value>{model.graph.outputs[0].value});
  for (const Tensor& got : {run(model, data)[0], program.run({{"data", data}})[0]}) {
    ASSERT_EQ(got.count(), static_cast<int64_t>(want.size()));
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got.data<float>()[i], want[i], 2e-5 * std::max(1.0f, std::abs(want[i]))) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CaffeGolden, testing::Values("windows", "normalise", "elementwise"),
                         [](const auto& instance) { return instance.param; });

// 5 columns, kernel 2, stride 2: rounding up gives 3 windows, of which the last sees one column.
TEST(CaffeLayers, PoolingRoundsUp) {
  const Tensor x = counting({1, 1, 2, 5});  // 1 2 3 4 5 / 6 7 8 9 10
  expect_values(through("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", x), {1, 1, 1, 3},
                {7, 9, 10});
  expect_values(through("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }", x), {1, 1, 1, 3},
                {4, 6, 7.5});
  expect_values(through("Pooling", "pooling_param { kernel_size: 2 stride: 2 round_mode: FLOOR }", x), {1, 1, 1, 2},
                {7, 9});
}

// The average divides by the window's part inside the padded picture: 3x3 windows with padding 1, stride 2 over 4x4;
// the third window of an axis would start at row 3 and end behind the padding, at 3 + 2.
TEST(CaffeLayers, AveragesCountPadding) {
  const Tensor x = Tensor::full(DType::f32, {1, 1, 4, 4}, 1);
  expect_values(through("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }", x), {1, 1, 3, 3},
                {4 / 9.0, 6 / 9.0, 2 / 6.0, 6 / 9.0, 1, 3 / 6.0, 2 / 6.0, 3 / 6.0, 1 / 4.0});
}

// With padding, a last window that would begin behind the picture is dropped: (4 + 2 - 2)/3 rounded up + 1 = 3, the
// third at 6 - 1 = 5 > 4.
TEST(CaffeLayers, WindowsBeginInsideThePicture) {
  const Tensor x = counting({1, 1, 4, 4});
  expect_values(through("Pooling", "pooling_param { kernel_size: 2 stride: 3 pad: 1 }", x), {1, 1, 2, 2},
                {1, 4, 13, 16});
}

TEST(CaffeLayers, WindowsLargerThanThePictureAreCut) {
  const Tensor x = counting({1, 1, 2, 2});
  expect_values(through("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }", x), {1, 1, 1, 1}, {2.5});
}

TEST(CaffeLayers, StochasticPooling) {
  const Tensor x = Tensor::of<float>({1, 1, 2, 4}, {1, 2, 0, 0, 3, 0, 0, 0});
  expect_values(through("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }", x), {1, 1, 1, 2},
                {14.0 / 6, 0});
}

TEST(CaffeLayers, GlobalPooling) {
  const Tensor x = counting({1, 2, 2, 2});
  expect_values(through("Pooling", "pooling_param { pool: MAX global_pooling: true }", x), {1, 2, 1, 1}, {4, 8});
  expect_values(through("Pooling", "pooling_param { pool: AVE global_pooling: true }", x), {1, 2, 1, 1}, {2.5, 6.5});
}

TEST(CaffeLayers, LocalResponseNormalisation) {
  const Tensor x = counting({1, 3, 1, 1});  // 1 2 3
  const auto across = [](double v, double squares) { return v / std::pow(2 + 0.6 / 3 * squares, 0.5); };
  expect_values(through("LRN", "lrn_param { local_size: 3 alpha: 0.6 beta: 0.5 k: 2 }", x), {1, 3, 1, 1},
                {across(1, 5), across(2, 14), across(3, 13)});
  // Within a channel: the mean of squares over 3x3 with zeros around (9 always), and 1 instead of k.
  const auto within = [](double v, double squares) { return v * std::pow(1 + 0.6 * squares / 9, -0.5); };
  const Tensor y = counting({1, 1, 1, 3});
  expect_values(through("LRN", "lrn_param { local_size: 3 alpha: 0.6 beta: 0.5 k: 2 norm_region: WITHIN_CHANNEL }", y),
                {1, 1, 1, 3}, {within(1, 5), within(2, 14), within(3, 13)});
}

TEST(CaffeLayers, Elementwise) {
  const Tensor x = Tensor::of<float>({1, 1, 1, 3}, {-2, 0.5, 3});
  const auto expect = [&](const std::string& type, const std::string& settings, const std::vector<double>& want) {
    SCOPED_TRACE(type);
    expect_values(through(type, settings, x), x.shape(), want);
  };
  expect("ReLU", "", {0, 0.5, 3});
  expect("ReLU", "relu_param { negative_slope: 0.25 }", {-0.5, 0.5, 3});
  expect("ELU", "elu_param { alpha: 2 }", {2 * std::expm1(-2), 0.5, 3});
  expect("AbsVal", "", {2, 0.5, 3});
  expect("BNLL", "", {std::log1p(std::exp(-2)), std::log1p(std::exp(0.5)), std::log1p(std::exp(3))});
  expect("Power", "power_param { power: 2 scale: 3 shift: 1 }", {25, 6.25, 100});
  expect("Power", "", {-2, 0.5, 3});
  expect("Exp", "", {std::exp(-2), std::exp(0.5), std::exp(3)});
  expect("Exp", "exp_param { base: 2 scale: 2 shift: 1 }", {std::exp2(-3), 4, 128});
  expect("Log", "log_param { base: 2 scale: 2 shift: 5 }", {0, std::log2(6), std::log2(11)});
  expect("Threshold", "threshold_param { threshold: 0.5 }", {0, 0, 1});
  expect("Clip", "clip_param { min: -1 max: 2 }", {-1, 0.5, 2});
  expect("Swish", "swish_param { beta: 2 }",
         {-2 / (1 + std::exp(4)), 0.5 / (1 + std::exp(-1)), 3 / (1 + std::exp(-6))});
  expect("Dropout", "dropout_param { dropout_ratio: 0.3 }", {-2, 0.5, 3});
  expect("Sigmoid", "", {1 / (1 + std::exp(2)), 1 / (1 + std::exp(-0.5)), 1 / (1 + std::exp(-3))});
}

TEST(CaffeLayers, Shapes) {
  const Tensor x = counting({1, 4, 2, 3});
  EXPECT_EQ(through("Flatten", "", x).shape(), (Shape{1, 24}));
  EXPECT_EQ(through("Flatten", "flatten_param { axis: 1 end_axis: 2 }", x).shape(), (Shape{1, 8, 3}));
  EXPECT_EQ(through("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }", x).shape(), (Shape{1, 2, 12}));
  EXPECT_EQ(through("Reshape", "reshape_param { shape { dim: 2 dim: 2 } axis: 1 num_axes: 1 }", x).shape(),
            (Shape{1, 2, 2, 2, 3}));
  EXPECT_EQ(through("Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }", x).shape(),
            (Shape{1, 4, 2, 3, 1}));
  const Tensor small = counting({1, 1, 1, 2});
  expect_values(through("Tile", "tile_param { axis: 3 tiles: 2 }", small), {1, 1, 1, 4}, {1, 2, 1, 2});
}

TEST(CaffeLayers, Reductions) {
  const Tensor x = Tensor::of<float>({1, 2, 1, 2}, {1, -2, 3, 4});
  expect_values(through("Reduction", "reduction_param { axis: 1 }", x), {1}, {6});
  expect_values(through("Reduction", "reduction_param { operation: ASUM axis: 2 coeff: 2 }", x), {1, 2}, {6, 14});
  expect_values(through("Reduction", "reduction_param { operation: SUMSQ axis: 2 }", x), {1, 2}, {5, 25});
  expect_values(through("Reduction", "reduction_param { operation: MEAN }", x), {}, {1.5});
}

TEST(CaffeLayers, ArgMax) {
  const Tensor x = Tensor::of<float>({1, 3, 1, 2}, {1, 9, 5, 2, 3, 4});
  expect_values(through("ArgMax", "", x), {1, 1, 1}, {1});
  expect_values(through("ArgMax", "argmax_param { top_k: 2 out_max_val: true }", x), {1, 2, 2}, {1, 2, 9, 5});
  expect_values(through("ArgMax", "argmax_param { axis: 1 }", x), {1, 1, 1, 2}, {1, 0});
}

TEST(CaffeLayers, MeanVarianceNormalisation) {
  const Tensor x = counting({1, 2, 1, 2}, 1, 2);  // 1 3 / 5 7
  expect_values(through("MVN", "mvn_param { eps: 1 }", x), x.shape(), {-0.5, 0.5, -0.5, 0.5});
  expect_values(through("MVN", "mvn_param { normalize_variance: false across_channels: true }", x), x.shape(),
                {-3, -1, 1, 3});
}

TEST(CaffeLayers, ScaleByAnotherBlob) {
  const Model model = read_caffe(prototxt(network("1221", R"(
      layer { name: "gate" type: "Pooling" bottom: "data" top: "gate" pooling_param { pool: AVE global_pooling: true } }
      layer { name: "flat" type: "Flatten" bottom: "gate" top: "flat" }
      layer { name: "y" type: "Scale" bottom: "data" bottom: "flat" top: "y" scale_param { axis: 0 } })")),
                                 std::nullopt);
  expect_values(run(model, counting({1, 2, 2, 1}))[0], {1, 2, 2, 1}, {1.5, 3, 10.5, 14});
}

TEST(CaffeLayers, CropTakesTheSizesOfAnother) {
  const Model model = read_caffe(prototxt(network("1144", R"(
      layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 2 stride: 2 } }
      layer { name: "y" type: "Crop" bottom: "data" bottom: "p" top: "y" crop_param { axis: 2 offset: 1 offset: 2 } })")),
                                 std::nullopt);
  expect_values(run(model, counting({1, 1, 4, 4}))[0], {1, 1, 2, 2}, {7, 8, 11, 12});
}

// A 2x2 kernel of ones at stride 2 repeats each pixel four times; with bias and a 3x3 kernel of ones they overlap.
TEST(CaffeLayers, Deconvolution) {
  caffe::NetParameter weights;
  auto& up = add_layer(weights, "up", "Deconvolution");
  add_blob(up, {1, 1, 3, 3}, std::vector<float>(9, 1));
  add_blob(up, {1}, {0.5});
  const Model model = read_caffe(prototxt(network("1112", R"(
      layer { name: "up" type: "Deconvolution" bottom: "data" top: "up"
        convolution_param { num_output: 1 kernel_size: 3 stride: 2 pad: 1 } })")),
                                 caffemodel(weights));
  expect_values(run(model, counting({1, 1, 1, 2}))[0], {1, 1, 1, 3}, {1.5, 3.5, 2.5});
}

TEST(CaffeLayers, InnerProductOfLaterAxesAndTransposed) {
  caffe::NetParameter weights;
  add_blob(add_layer(weights, "fc", "InnerProduct"), {2, 3}, {1, 2, 3, 4, 5, 6});  // stored [I,O]
  const Model model = read_caffe(prototxt(network("1222", R"(
      layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 bias_term: false axis: 3 transpose: true } })")),
                                 caffemodel(weights));
  const Tensor y = run(model, counting({1, 2, 2, 2}))[0];
  ASSERT_EQ(y.shape(), (Shape{1, 2, 2, 3}));
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t o = 0; o < 3; ++o) EXPECT_EQ(y.at(3 * row + o), (2 * row + 1) * (1 + o) + (2 * row + 2) * (4 + o));
}

// The first layer owns the parameter; the second has other settings but the same numbers.
TEST(CaffeLayers, SharedParameters) {
  caffe::NetParameter weights;
  add_blob(add_layer(weights, "a", "Convolution"), {1, 1, 1, 1}, {3});
  const std::string share =
      R"(convolution_param { num_output: 1 kernel_size: 1 bias_term: false } param { name: "w" })";
  const Model model = read_caffe(
      prototxt(network("1122", "layer { name: \"a\" type: \"Convolution\" bottom: \"data\" top: \"a\" " + share +
                                   "} layer { name: \"b\" type: \"Convolution\" bottom: \"a\" top: \"b\" " + share +
                                   "}")),
      caffemodel(weights));
  EXPECT_EQ(model.graph.parameters().size(), 1u);
  expect_values(run(model, counting({1, 1, 2, 2}))[0], {1, 1, 2, 2}, {9, 18, 27, 36});
}

}  // namespace
}  // namespace fovea
