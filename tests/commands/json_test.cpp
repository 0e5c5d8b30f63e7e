// What each command says to a program: the keys that scripts rely on, on a network and a picture made here.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/commands/bench.h"
#include "fovea/commands/classify.h"
#include "fovea/commands/inspect.h"
#include "fovea/commands/summary.h"
#include "fovea/commands/verify.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/image/codec.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "onnx.pb.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// conv 3x3 "zeta" → relu → conv 1x1 "alpha" → sums: two classes on an 8x8 colour picture.
Model tiny() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 3, 8, 8}});
  const Value first = conv(g, x, parameter(g, "zeta.weight", {DType::f32, {4, 3, 3, 3}}),
                           parameter(g, "zeta.bias", {DType::f32, {4}}), {.pad = 1});
  const Value rectified = relu(g, first);
  const Value last = conv(g, rectified, parameter(g, "alpha.weight", {DType::f32, {2, 4, 1, 1}}), {}, {});
  g.rename(first.node, "zeta");
  g.rename(last.node, "alpha");
  g.outputs = {{"scores", reduce(g, last, {.axes = {2, 3}})}};
  for (const Value v : g.parameters()) {
    Tensor t(DType::f32, g.shape(v));
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, 0.01 * static_cast<double>(i % 7) - 0.02);
    model.weights[g.node(v).name] = t;
  }
  model.meaning.name = "tiny";
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  model.meaning.preprocess = preset("unit", 8, 8);
  model.meaning.classes = {"cat", "dog"};
  return model;
}

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

void expect_keys(const Json& object, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) EXPECT_TRUE(object.contains(key)) << key << " is not in " << object.dump();
}

class CommandJson : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/fovea-json-XXXXXX";
    folder_ = mkdtemp(pattern);
    write_onnx(tiny(), folder_ / "tiny.onnx");
    Image picture(8, 8, 3);
    for (size_t i = 0; i < picture.samples().size(); ++i) picture.samples()[i] = static_cast<uint8_t>(i * 37);
    write_image(folder_ / "picture.png", picture);
    engine_.tune = "off";
  }
  void TearDown() override { fs::remove_all(folder_); }
  ModelOptions model() const { return {(folder_ / "tiny.onnx").string()}; }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder_;
  EngineOptions engine_;
};

TEST_F(CommandJson, Summary) {
  SummaryOptions options;
  options.model = model();
  const Json json = *run({}, options).json;
  expect_keys(json, {"name", "parameters", "macs", "layers"});
  EXPECT_EQ(json["name"], "tiny");
  EXPECT_EQ(json["parameters"], 4 * 27 + 4 + 8);
  EXPECT_EQ(json["macs"], 64 * (4 * 27 + 8));
  const std::set<std::string> layer = {"name", "op", "shape", "parameters", "macs", "receptive_field"};
  ASSERT_FALSE(json["layers"].empty());
  for (const Json& l : json["layers"]) EXPECT_EQ(keys_of(l), layer);
  EXPECT_EQ(json["layers"][0]["name"], "zeta");
  EXPECT_EQ(json["layers"][0]["shape"], Json({1, 4, 8, 8}));
  ASSERT_EQ(json["layers"][0]["receptive_field"].size(), 2u);
  EXPECT_EQ(json["layers"][0]["receptive_field"][0]["size"], 3);
  expect_keys(json["layers"][0]["receptive_field"][0], {"size", "stride", "offset"});
}

TEST_F(CommandJson, Classify) {
  ClassifyOptions options;
  options.model = model();
  options.engine = engine_;
  options.images = {file("picture.png")};
  const Json json = *run({}, options).json;
  ASSERT_EQ(json.at("images").size(), 1u);
  const Json& image = json["images"][0];
  EXPECT_EQ(image.at("file"), file("picture.png"));
  ASSERT_EQ(image.at("guesses").size(), 2u);
  double sum = 0;
  for (const Json& guess : image["guesses"]) {
    expect_keys(guess, {"class", "name", "probability"});
    EXPECT_EQ(guess["name"], guess["class"] == 0 ? "cat" : "dog");
    sum += guess["probability"].get<double>();
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST_F(CommandJson, ClassifyRefusesItsOutputBeforeItWorks) {
  ClassifyOptions options;
  options.model.model = "missing.onnx";
  options.output = folder_.string();
  EXPECT_THROW(run({}, options), WriteError);
  options.output = file("sheet.txt");
  try {
    run({}, options);
    ADD_FAILURE();
  } catch (const Error& e) { EXPECT_EQ(e.kind(), ErrorKind::usage) << e.message(); }
}

TEST_F(CommandJson, Bench) {
  BenchOptions options;
  options.model = model();
  options.engine = engine_;
  options.runs = 3;
  const Json json = *run({}, options).json;
  for (const char* key : {"median_ms", "min_ms", "gflops", "peak_mib"}) EXPECT_GT(json.at(key).get<double>(), 0) << key;
  EXPECT_LE(json["min_ms"], json["median_ms"]);
}

TEST_F(CommandJson, BenchStopsWhileWarmingUp) {
  BenchOptions options;
  options.model = model();
  options.engine = engine_;
  options.warm_up = 1000000000;
  std::atomic<bool> cancel{true};
  Context context;
  context.cancel = &cancel;
  EXPECT_THROW(run(context, options), Error);
}

TEST_F(CommandJson, Verify) {
  const fs::path set = folder_ / "case/test_data_set_0";
  fs::create_directories(set);
  fs::copy_file(folder_ / "tiny.onnx", folder_ / "case/model.onnx");
  onnx::TensorProto x, y;
  for (const int64_t size : {1, 3, 8, 8}) x.add_dims(size);
  for (const int64_t size : {1, 2}) y.add_dims(size);
  x.set_data_type(1), y.set_data_type(1);
  for (int i = 0; i < 192; ++i) x.add_float_data(0);
  y.add_float_data(1e6f), y.add_float_data(-1e6f);
  write_file(set / "input_0.pb", std::string_view(x.SerializeAsString()));
  write_file(set / "output_0.pb", std::string_view(y.SerializeAsString()));
  VerifyOptions options;
  options.engine = engine_;
  options.paths = {folder_.string()};
  const Report report = run({}, options);
  EXPECT_TRUE(report.failed);
  EXPECT_EQ(keys_of(*report.json), (std::set<std::string>{"passed", "failed", "unsupported", "cases"}));
  EXPECT_EQ(report.json->at("failed"), 1);
  ASSERT_EQ(report.json->at("cases").size(), 1u);
  const Json& one = report.json->at("cases")[0];
  EXPECT_EQ(keys_of(one), (std::set<std::string>{"path", "status", "detail"}));
  EXPECT_EQ(one["status"], "failed");
}

TEST_F(CommandJson, InspectListsWeightsInTheGraphsOrder) {
  InspectOptions options;
  options.model = model();
  options.engine = engine_;
  options.image = file("picture.png");
  options.output = file("page");
  const Report report = run({}, options);
  const Json& weights = report.json->at("weights");
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0]["name"], "zeta.weight");
  EXPECT_EQ(weights[1]["name"], "alpha.weight");
  for (const fs::path& path : report.files) EXPECT_TRUE(fs::exists(path)) << path;
  EXPECT_EQ(static_cast<size_t>(std::distance(fs::directory_iterator(options.output), {})), report.files.size());
}

}  // namespace
}  // namespace fovea
