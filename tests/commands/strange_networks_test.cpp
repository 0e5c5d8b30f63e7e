// Networks without classes, without names of classes, and with weights that are no numbers: what looks inside them
// says.
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "fovea/commands/activations.h"
#include "fovea/commands/attribute.h"
#include "fovea/commands/deconv.h"
#include "fovea/commands/features.h"
#include "fovea/commands/field.h"
#include "fovea/commands/filters.h"
#include "fovea/commands/inspect.h"
#include "fovea/commands/maximise.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/image/codec.h"
#include "fovea/model/layers.h"
#include "fovea/ops/reduce.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
using namespace testing_data;

class StrangeNetworks : public WithFolder {
 protected:
  void SetUp() override {
    WithFolder::SetUp();
    picture_ = path("ship.png");
    write_image(picture_, draw_scene("ship", 40, Rng(1)));
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string bytes(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static Model built_in() {
    ModelOptions o;
    o.model = "builtin:cifar10";
    return open({}, o);
  }
  std::string save(const Model& model) const {
    write_onnx(model, path("model.onnx"));
    return path("model.onnx");
  }
  // The first three convolutions: maps and nothing behind them.
  static Model without_classes() {
    Model model = built_in();
    model.graph.outputs = {{"maps", find_layer(model, "conv3.relu")}};
    model.meaning.scores.clear();
    model.meaning.classes.clear();
    return model;
  }
  // The maps' means as the network's answer: an embedding.
  static Model embedding() {
    Model model = without_classes();
    const Value means = reduce(model.graph, model.graph.outputs[0].value, {.axes = {2, 3}, .keep = false});
    model.graph.outputs = {{"embedding", means}};
    return model;
  }
  // One weight of conv4 is NaN.
  static Model damaged() {
    Model model = built_in();
    Tensor& weight = model.weights.at("conv4.weight");
    weight = weight.cast(DType::f32);
    weight.set(50, std::numeric_limits<double>::quiet_NaN());
    return model;
  }
  template <class Options>
  Options options(const std::string& model) const {
    Options o;
    o.model.model = model;
    o.engine.tune = "off";
    return o;
  }
  Report inspected(const std::string& model) const {
    auto o = options<InspectOptions>(model);
    o.image = picture_;
    o.output = path("page");
    return run({}, o);
  }
  std::string picture_;
};

TEST_F(StrangeNetworks, APageOfANetworkWithoutClasses) {
  const Report report = inspected(save(without_classes()));
  const Json& json = *report.json;
  EXPECT_TRUE(json["guesses"].empty());
  EXPECT_GE(json["stages"].size(), 1u);
  EXPECT_FALSE(json["dead_units"].empty());
  EXPECT_NE(report.text.find("no classes to guess"), std::string::npos) << report.text;
  const std::string page = bytes("page/index.html");
  EXPECT_NE(page.find("scores no classes"), std::string::npos);
  EXPECT_EQ(page.find("Where it looks"), std::string::npos);
  EXPECT_EQ(page.find("one a class"), std::string::npos);
  EXPECT_EQ(page.find("on 1 threads"), std::string::npos);
}

TEST_F(StrangeNetworks, MapsOfScoresWithoutNamesAreNoMapsOfClasses) {
  const Report report = inspected(save(embedding()));
  EXPECT_FALSE((*report.json)["guesses"].empty());
  const std::string page = bytes("page/index.html");
  EXPECT_NE(page.find(", one a score, of"), std::string::npos);
  EXPECT_EQ(page.find("one a class"), std::string::npos);
}

TEST_F(StrangeNetworks, DeadUnitsOfANetworkWithoutClasses) {
  auto o = options<FiltersOptions>(save(without_classes()));
  EXPECT_TRUE((*run({}, o).json)["dead"].is_array());
}

TEST_F(StrangeNetworks, FiltersThatAreNotThereAreToldWithoutASheet) {
  auto o = options<FiltersOptions>("builtin:cifar10");
  o.units = "40-48";
  expect_error(ErrorKind::usage, {"there is no 48", "only 0 to 47"}, [&] { run({}, o); });
  o.units = "";
  o.channels = "3";
  expect_error(ErrorKind::usage, {"input channels of layer conv1", "there is no 3"}, [&] { run({}, o); });
}

TEST_F(StrangeNetworks, AWeightThatIsNoNumberIsNamed) {
  const std::string model = save(damaged());
  expect_error(ErrorKind::usage, {"scores", "not finite", "\"conv4.weight\"", "NaN"}, [&] { inspected(model); });
  auto attribute = options<AttributeOptions>(model);
  attribute.image = picture_;
  attribute.methods = {"gradient"};
  expect_error(ErrorKind::usage, {"ship.png", "not finite", "\"conv4.weight\""}, [&] { run({}, attribute); });
  auto field = options<FieldOptions>(model);
  field.layer = "conv5";
  expect_error(ErrorKind::format, {"conv5", "not finite", "\"conv4.weight\""}, [&] { run({}, field); });
  auto maximise = options<MaximiseOptions>(model);
  maximise.classes = {"cat"};
  maximise.output = path("cat.png");
  maximise.settings.steps = 2;
  expect_error(ErrorKind::usage, {"not finite", "\"conv4.weight\""}, [&] { run({}, maximise); });
  EXPECT_FALSE(fs::exists(maximise.output));
  auto features = options<FeaturesOptions>(model);
  features.data = picture_;
  features.output = path("codes.npz");
  expect_error(ErrorKind::usage, {"ship.png", "NaN", "fovea activations"}, [&] { run({}, features); });
  auto activations = options<ActivationsOptions>(model);
  activations.image = picture_;
  const Report report = run({}, activations);
  EXPECT_NE(report.text.find("not finite: "), std::string::npos) << report.text;
  EXPECT_NE(report.text.find("the weight \"conv4.weight\" holds NaN"), std::string::npos) << report.text;
  EXPECT_EQ(report.text.find("-nan"), std::string::npos) << report.text;
}

TEST_F(StrangeNetworks, OnePictureHasACode) {
  auto o = options<FeaturesOptions>("builtin:cifar10");
  o.data = picture_;
  o.output = path("codes.npz");
  const Report report = run({}, o);
  EXPECT_EQ((*report.json)["pictures"], 1);
  EXPECT_NE(report.text.find(": 1 picture, 192 numbers each"), std::string::npos) << report.text;
}

}  // namespace
}  // namespace fovea
