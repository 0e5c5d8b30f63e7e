// The networks that the program carries: they open, say what they are, and are as good as they say.
#include "fovea/formats/builtin.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fovea/base/resource.h"
#include "fovea/commands/fused_models.h"
#include "fovea/commands/summary.h"
#include "fovea/data/drawn_glyphs.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/data/open_data.h"
#include "fovea/formats/network_description.h"
#include "fovea/formats/open.h"
#include "fovea/formats/save.h"
#include "fovea/model/labels.h"
#include "fovea/model/stated_test.h"
#include "fovea/model/widened.h"
#include "fovea/ops/cast.h"
#include "fovea/train/recipe_text.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

// Until the recipe has been run in full, a file may stand in whose network was tested on a part of the set only.
bool is_stand_in(const Model& model) { return stated_test(model.meaning).value_or(StatedTest{0, 0}).count != 10000; }

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) { return e.message(); }
  return "no error";
}

TEST(Builtin, SaysWhatItIs) {
  for (const std::string& name : builtin_models()) {
    const Model model = open_model(name);
    const Meaning& meaning = model.meaning;
    EXPECT_TRUE(meaning.trained) << name;
    EXPECT_EQ("builtin:" + meaning.name, name);
    EXPECT_FALSE(meaning.description.empty()) << name;
    EXPECT_TRUE(meaning.preprocess.has_value() && meaning.preprocess_stated) << name;
    EXPECT_TRUE(stated_test(meaning).has_value()) << name;
    ASSERT_EQ(meaning.classes.size(), 10u) << name;
    if (name == "builtin:cifar10") EXPECT_EQ(meaning.classes, cifar10_classes());
    else
      for (size_t i = 0; i < 10; ++i) EXPECT_EQ(meaning.classes[i], std::to_string(i));
    if (is_stand_in(model)) GTEST_LOG_(WARNING) << name << " is a stand-in: its recipe has not been run in full";
    else EXPECT_EQ(meaning.licence, "Apache-2.0") << name;
  }
}

// Its recipe is the one of the repository: the same network, nothing of the machine that ran it.
TEST(Builtin, CarriesItsRecipe) {
  for (const std::string& name : builtin_models()) {
    const std::string stem = name.substr(std::string("builtin:").size());
    const Model model = open_model(name);
    const RunDescription said = read_run_description(Bytes::copy(metadata_of(model.meaning, "recipe"), name));
    const RunDescription ours = read_run_description(
        Bytes::map(std::filesystem::path(FOVEA_SOURCE_DIR) / "recipes" / ("builtin-" + stem + ".toml")));
    EXPECT_EQ(std::filesystem::path(said.data).filename(), ours.data) << name;
    EXPECT_EQ(said.recipe.optimiser.kind, ours.recipe.optimiser.kind) << name;
    EXPECT_EQ(said.recipe.augment, ours.recipe.augment) << name;
    const Model described = read_network_description(Bytes::copy(ours.network, stem + ".toml")).model;
    ASSERT_EQ(described.graph.parameters().size(), model.graph.parameters().size()) << name;
    for (const Value p : described.graph.parameters()) {
      const auto found = model.weights.find(described.graph.node(p).name);
      ASSERT_NE(found, model.weights.end()) << described.graph.node(p).name;
      EXPECT_EQ(found->second.shape(), described.graph.shape(p)) << found->first;
    }
    if (!is_stand_in(model)) EXPECT_EQ(said.data.find('/'), std::string::npos) << name;
  }
}

TEST(Builtin, IsSmallAndIsWidened) {
  size_t bytes = 0;
  for (const std::string& name : builtin_models()) {
    bytes += resource("formats/" + name.substr(8) + ".onnx").size();
    const Model stored = builtin_model(name), model = open_model(name);
    for (const auto& [weight, tensor] : stored.weights) {
      EXPECT_EQ(tensor.dtype(), DType::f16) << weight;
      const Tensor& wide = model.weights.at(weight);
      EXPECT_EQ(wide.dtype(), DType::f32) << weight;
      EXPECT_TRUE(wide.same_bits(tensor.cast(DType::f32))) << weight;
    }
    for (const Node& node : model.graph.nodes()) EXPECT_NE(node.op, &ops::cast) << name;
  }
  EXPECT_LE(bytes, 3'000'000u);
}

TEST(Builtin, UnknownNames) {
  EXPECT_NE(error_of([] { open_model("builtin:digit"); }).find("did you mean \"builtin:digits\"?"), std::string::npos);
  EXPECT_NE(error_of([] { open_model("builtin:"); }).find("only builtin:cifar10 and builtin:digits"),
            std::string::npos);
  EXPECT_EQ(error_of([] { open(Context{}, {.model = "cifar-10"}); }),
            "cifar-10: no such file, nor such a network in the zoo; did you mean \"builtin:cifar10\"?");
  EXPECT_EQ(perhaps_builtin("resnet50"), "");
}

TEST(Builtin, SummaryShowsTheAccuracy) {
  SummaryOptions options;
  options.model.model = "builtin:digits";
  const Report report = run(Context{}, options);
  const StatedTest test = *stated_test(open_model("builtin:digits").meaning);
  EXPECT_NE(report.text.find(fmt::format("test: {} errors of {}", test.errors, test.count)), std::string::npos);
  EXPECT_EQ(report.json->at("test").at("errors"), test.errors);
  EXPECT_EQ(report.json->at("classes").size(), 10u);
}

// What was drawn for it is recognised, whatever the seed.
TEST(Builtin, RecognisesWhatIsDrawn) {
  if (is_stand_in(open_model("builtin:cifar10"))) GTEST_SKIP() << "builtin:cifar10 is a stand-in";
  FusedModels network(Context{}, {.model = "builtin:cifar10"}, {}, 8);
  const auto& classes = network.meaning().classes;
  for (const std::string& thing : drawn_scenes())
    for (uint64_t seed = 0; seed < 8; ++seed) {
      const Tensor scores = network.scores(draw_scene(thing, 128, Rng(seed)));
      const auto row = scores.data<double>();
      const auto best = static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
      EXPECT_EQ(classes.at(best), thing) << "seed " << seed;
    }
}

TEST(Builtin, ReadsDrawnDigits) {
  FusedModels network(Context{}, {.model = "builtin:digits"}, {}, 100);
  const Evaluation result = evaluate(Context{}, DrawnGlyphs({.count = 500}, 3), network);
  EXPECT_GE(result.top1, 0.95);  // drawn by a formula, not by the writers of MNIST
}

struct AsStated : testing::TestWithParam<std::tuple<const char*, const char*, double>> {};

TEST_P(AsStated, OnItsTestSet) {
  const auto& [name, data, least] = GetParam();
  const std::filesystem::path folder = data_folder() / data;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder << "; set FOVEA_DATA";
  const StatedTest stated = *stated_test(open_model(name).meaning);
  FusedModels network(Context{}, {.model = name}, {.tune = "off"}, 0);
  const Evaluation result = evaluate(Context{}, *open_data(folder.string(), {"test"}), network, {stated.count});
  EXPECT_EQ(result.count, stated.count);
  // The stated errors are of f32 weights; f16 ones are off by half a unit in the last of 11 places.
  EXPECT_NEAR(static_cast<double>(result.errors), static_cast<double>(stated.errors), 3);
  if (stated.count != 10000) GTEST_SKIP() << name << " is a stand-in: its recipe has not been run in full";
  EXPECT_GE(result.top1, least);
}

INSTANTIATE_TEST_SUITE_P(Builtin, AsStated,
                         testing::Values(std::tuple{"builtin:digits", "mnist", 0.99},
                                         std::tuple{"builtin:cifar10", "cifar10", 0.92}),
                         [](const auto& one) { return std::string(std::get<1>(one.param)); });

// f16 weights that something else uses too stay f16.
TEST(Widened, OnlyWhatIsConvertedAnyway) {
  const Model f32 = open_model("builtin:digits");
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("fovea_builtin_{}.onnx", getpid());
  save_model(f32, file, {.half = true});
  OpenOptions keep;
  keep.keep_half = true;
  Model half = open_model(file.string(), keep);
  const Value weight{half.graph.find("conv1.weight"), 0};
  ASSERT_EQ(half.graph.dtype(weight), DType::f16);
  const Model again = open_model(file.string());
  for (const auto& [name, tensor] : again.weights) EXPECT_TRUE(tensor.same_bits(f32.weights.at(name))) << name;
  half.graph.outputs.push_back({"the weight itself", weight});
  const Model mixed = widened(half);
  verify(mixed.graph);
  EXPECT_EQ(mixed.weights.at("conv1.weight").dtype(), DType::f16);
  EXPECT_EQ(mixed.weights.at("conv2.weight").dtype(), DType::f32);
  std::filesystem::remove(file);
}

TEST(Widened, ValuesBeyondHalfAreRefused) {
  Model model = open_model("builtin:digits");
  model.weights.at("fc3.bias").set(0, 1e6);
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("fovea_large_{}.onnx", getpid());
  EXPECT_NE(error_of([&] { save_model(model, file, {.half = true}); }).find("\"fc3.bias\": its value 1000000"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(StatedTests, OnlyWhatIsOfThatForm) {
  const auto read = [](const std::string& text) {
    Meaning meaning;
    meaning.metadata = {{"test", text}};
    return stated_test(meaning);
  };
  ASSERT_TRUE(read("731 errors of 10000"));
  EXPECT_EQ(read("731 errors of 10000")->errors, 731);
  EXPECT_DOUBLE_EQ(read("731 errors of 10000")->accuracy(), 0.9269);
  for (const char* text : {"", "731", "731 errors of ", "731 errors of 0", "-1 errors of 10", "11 errors of 10",
                           "1 errors of 10 ", "1 error of 10", "99999999999999999999 errors of 10"})
    EXPECT_FALSE(read(text)) << text;
}

}  // namespace
}  // namespace fovea
