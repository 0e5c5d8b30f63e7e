// Real Caffe networks on real photographs: SqueezeNet v1.1 (a .caffemodel), GoogLeNet (a prototxt and float16 weights
// in a safetensors file), ImageNet's mean image; against an independent numpy forward pass (see shared/data/README.md).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "fovea/commands/model_options.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/image/codec.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// A little-endian float32 .npy file of version 1: magic, version, u16 size of the header, header, values.
std::vector<float> npy(const fs::path& path) {
  const Bytes bytes = Bytes::map(path);
  uint16_t header = 0;
  std::memcpy(&header, bytes.data() + 8, 2);
  const std::string_view values = bytes.view().substr(10 + size_t{header});
  require(bytes.view().substr(10, header).find("'<f4'") != std::string_view::npos && values.size() % 4 == 0,
          ErrorKind::format, "{}: expected values of f32", path.string());
  std::vector<float> result(values.size() / 4);
  std::memcpy(result.data(), values.data(), values.size());
  return result;
}

// The float16 tensors of a safetensors file, as f32: a u64 size, a JSON object of that size, the data.
Weights safetensors(const fs::path& path) {
  const Bytes bytes = Bytes::map(path);
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  Weights weights;
  const auto header = nlohmann::json::parse(bytes.view().substr(8, size));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    require(entry["dtype"] == "F16", ErrorKind::format, "expected F16");
    const size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    const Shape shape(entry["shape"].get<std::vector<int64_t>>());
    weights[name] = Tensor::over(bytes.slice(8 + size + begin, end - begin), DType::f16, shape).cast(DType::f32);
  }
  return weights;
}

double relative_distance(const Tensor& got, const std::vector<float>& want) {
  require(got.count() == static_cast<int64_t>(want.size()), ErrorKind::shape, "{} values, expected {}", got.count(),
          want.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = double{got.data<float>()[i]} - double{want[i]};
    difference += d * d;
    norm += double{want[i]} * double{want[i]};
  }
  return std::sqrt(difference / norm);
}

class CaffeReal : public testing::Test {
 protected:
  void SetUp() override {
    for (const fs::path& needed : {weights_ / "squeezenet_v1.1_caffe", weights_ / "bvlc_googlenet_f16",
                                   weights_ / "golden", photographs_, weights_ / "imagenet_mean.binaryproto"})
      if (!fs::exists(needed)) GTEST_SKIP() << "NOT TESTED: there is no " << needed << "; set FOVEA_DATA";
  }

  Model squeezenet() const {
    const fs::path folder = weights_ / "squeezenet_v1.1_caffe";
    return read_caffe(Bytes::map(folder / "deploy.prototxt"), Bytes::map(folder / "squeezenet_v1.1.caffemodel"));
  }
  Model googlenet() const {
    const fs::path folder = weights_ / "bvlc_googlenet_f16";
    Model model = read_caffe(Bytes::map(folder / "deploy.prototxt"), std::nullopt, {.initialise = false});
    const Weights all = safetensors(folder / "bvlc_googlenet.f16.safetensors");
    for (const Value p : model.graph.parameters()) {
      const Node& node = model.graph.node(p);
      require(all.contains(node.name), ErrorKind::format, "no weight {}", node.name);
      model.weights[node.name] = all.find(node.name)->second.reshaped(node.outputs[0].shape);
    }
    EXPECT_EQ(model.weights.size(), all.size());
    model.meaning.trained = true;
    return model;
  }

  // Runs the golden input and compares the nodes named after the golden files.
  void expect_stages(const Model& model, const std::string& folder, const std::vector<std::string>& stages,
                     double exact, double quick) {
    const fs::path golden = weights_ / "golden" / folder;
    const int input = model.graph.find(model.meaning.input);
    ASSERT_GE(input, 0);
    Tensor picture(DType::f32, model.graph.node(input).outputs[0].shape);
    const std::vector<float> values = npy(golden / "input.npy");
    ASSERT_EQ(picture.count(), static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), picture.data<float>().begin());
    for (const bool precisely : {true, false}) {
      std::vector<Value> wants;
      for (const std::string& stage : stages) wants.push_back({model.graph.find(stage), 0});
      Engine engine(EngineOptions{.exact = precisely, .tune = "off"});
      Program program = engine.compile(model, wants);
      const std::vector<Tensor> got = program.run({{model.meaning.input, picture}});
      for (size_t i = 0; i < stages.size(); ++i) {
        std::string file = stages[i] + ".npy";
        if (const size_t slash = file.find('/'); slash != std::string::npos) file.replace(slash, 1, "__");
        const double distance = relative_distance(got[i], npy(golden / file));
        EXPECT_LE(distance, precisely ? exact : quick) << stages[i] << (precisely ? " exact" : "");
        RecordProperty(stages[i] + (precisely ? " exact" : ""), std::to_string(distance));
        std::printf("  %s%s: %.2e\n", stages[i].c_str(), precisely ? " (exact)" : "", distance);
      }
    }
  }

  // How many photographs are right at the first guess and among five, and how often the first guess is the reference's.
  void expect_guesses(const Model& model, const std::string& network, int top1, int top5) {
    std::ifstream in(data_folder() / "imagenet" / "reference_top5.csv");
    std::string line;
    std::getline(in, line);
    int count = 0, first = 0, five = 0, same = 0;
    double most = 0;
    Engine engine(EngineOptions{.tune = "off"});
    Program program = engine.compile(model, std::vector<Value>{scores_output(model)});
    while (std::getline(in, line)) {
      std::istringstream cells(line);
      std::vector<std::string> row;
      for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
      ASSERT_EQ(row.size(), 13u);
      if (row[2] != network) continue;
      const Tensor input = preprocess(read_image(photographs_ / row[0]), *model.meaning.preprocess);
      const Tensor scores = program.run({{model.meaning.input, input}})[0];
      const std::vector<Guess> guesses = best_guesses(scores, model.meaning, 5);
      const int64_t truth = std::stoll(row[1]);
      first += guesses[0].index == truth;
      for (const Guess& guess : guesses) five += guess.index == truth;
      same += guesses[0].index == std::stoll(row[3]);
      most = std::max(most, std::abs(guesses[0].probability - std::stod(row[4])));
      ++count;
    }
    std::printf("  %s: top-1 %d, top-5 %d of %d, first guess as the reference %d, probability off by %.1e\n",
                network.c_str(), first, five, count, same, most);
    EXPECT_EQ(count, 60);
    EXPECT_EQ(first, top1);
    EXPECT_EQ(five, top5);
    EXPECT_EQ(same, 60);
    EXPECT_LE(most, 0.01);  // one level of difference between JPEG decoders
  }

  const fs::path weights_ = data_folder() / "weights";
  const fs::path photographs_ = data_folder() / "imagenet" / "images";
};

TEST_F(CaffeReal, SqueezeNetMeaning) {
  const Model model = squeezenet();
  EXPECT_EQ(model.graph.inputs().size(), 1u);
  EXPECT_EQ(model.graph.shape(model.graph.inputs()[0]), (Shape{1, 3, 227, 227}));
  EXPECT_EQ(model.meaning.input, "data");
  EXPECT_EQ(model.meaning.scores, "prob");
  EXPECT_TRUE(model.meaning.probabilities);
  EXPECT_TRUE(model.meaning.trained);
  ASSERT_TRUE(model.meaning.preprocess.has_value());
  EXPECT_EQ(model.meaning.preprocess->size, 256);
  EXPECT_EQ(model.meaning.preprocess->colour, "bgr");
  EXPECT_EQ(model.meaning.preprocess->mean, (std::vector<double>{104, 117, 123}));
  int64_t parameters = 0;
  for (const auto& [name, tensor] : model.weights) parameters += tensor.count();
  EXPECT_EQ(parameters, 1235496);
  EXPECT_GE(model.graph.find("fire5/concat"), 0);
  EXPECT_GE(model.graph.find("relu_conv10"), 0);
  verify(model.graph);
}

TEST_F(CaffeReal, SqueezeNetStages) {
  expect_stages(squeezenet(), "squeezenet_v1.1_n02279972", {"fire5/concat", "conv10", "prob"}, 1e-5, 1e-5);
}

TEST_F(CaffeReal, SqueezeNetGuesses) { expect_guesses(squeezenet(), "squeezenet_v1.1", 39, 51); }

// The reference used the float32 weights; rounding them to float16 moves each by at most 2^-11 of itself.
TEST_F(CaffeReal, GoogLeNetStages) {
  expect_stages(googlenet(), "googlenet_n02279972", {"inception_4c/output", "pool5/7x7_s1", "prob"}, 1e-3, 1e-3);
}

TEST_F(CaffeReal, GoogLeNetGuesses) { expect_guesses(googlenet(), "googlenet", 46, 55); }

TEST_F(CaffeReal, ImageNetMeanImage) {
  const Tensor mean = read_binaryproto(Bytes::map(weights_ / "imagenet_mean.binaryproto"));
  EXPECT_EQ(mean.shape(), (Shape{1, 3, 256, 256}));
  Preprocess how = preset("caffe");
  const std::string note = use_mean_image(how, mean);
  EXPECT_NE(note.find("256x256"), std::string::npos) << note;
  ASSERT_EQ(how.mean.size(), 3u);
  EXPECT_NEAR(how.mean[0], 104.007, 1e-3);  // the published mean colour of ImageNet, BGR
  EXPECT_NEAR(how.mean[1], 116.669, 1e-3);
  EXPECT_NEAR(how.mean[2], 122.679, 1e-3);
}

}  // namespace
}  // namespace fovea
