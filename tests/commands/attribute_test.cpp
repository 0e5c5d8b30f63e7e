// The commands attribute and deconv on a network that the program carries.
#include "fovea/commands/attribute.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/deconv.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/drawn.h"
#include "fovea/formats/npy_read.h"
#include "fovea/image/codec.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class Attribute : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / fmt::format("fovea_attribute_{}", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "pictures");
    const DrawnShapes shapes(6, 32, 5);
    for (int64_t i = 0; i < 4; ++i) write_image(picture(i), shapes.get(i).image);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path picture(int64_t i) const { return folder_ / "pictures" / fmt::format("{}.png", i); }

  AttributeOptions options(std::vector<std::string> methods) const {
    AttributeOptions o;
    o.model.model = "builtin:cifar10";
    o.engine.tune = "off";
    o.image = picture(0).string();
    o.methods = std::move(methods);
    return o;
  }
  DeconvOptions deconv() const {
    DeconvOptions o;
    o.model.model = "builtin:cifar10";
    o.engine.tune = "off";
    o.images = {picture(0).string()};
    o.units = 3;
    return o;
  }
  fs::path folder_;
};

TEST_F(Attribute, WritesASheetTheNumbersAndJson) {
  AttributeOptions o = options({"gradient,grad-cam", "integrated-gradients"});
  o.label = "frog";
  o.steps = 4;
  o.output = (folder_ / "sheet.png").string();
  o.raw = (folder_ / "maps.npz").string();
  const Report report = run({}, o);
  ASSERT_EQ(report.files.size(), 2u);
  const nlohmann::ordered_json& json = *report.json;
  EXPECT_EQ(json["class"], 6);
  EXPECT_EQ(json["name"], "frog");
  ASSERT_EQ(json["maps"].size(), 3u);
  EXPECT_EQ(json["maps"][1]["method"], "grad-cam");
  EXPECT_EQ(json["maps"][1]["layer"], "conv7.relu");
  EXPECT_TRUE(json["maps"][2].contains("completeness_gap"));
  EXPECT_GT(read_image(o.output).width(), 600);
  const WeightsFile raw = read_npz(Bytes::map(o.raw));
  ASSERT_EQ(raw.weights.size(), 3u);
  EXPECT_EQ(raw.weights.at("gradient").shape(), (Shape{32, 32}));
  EXPECT_EQ(raw.weights.at("grad-cam").shape(), (Shape{4, 4}));
}

TEST_F(Attribute, ChecksAreReported) {
  AttributeOptions o = options({"gradient"});
  o.check = true;
  o.stages = 2;
  const Report report = run({}, o);
  const auto& map = (*report.json)["maps"][0];
  ASSERT_EQ(map["randomised"].size(), 2u);
  EXPECT_EQ(map["randomised"][0]["layers"], 1);
  EXPECT_TRUE(map["insensitive"].is_boolean());
  EXPECT_EQ(map["deletion"].size(), 29u);
  EXPECT_GE(map["deletion_area"], 0);
  EXPECT_LE(map["deletion_area"], 1);
  EXPECT_TRUE((*report.json).contains("random_order"));
}

TEST_F(Attribute, WrongInputIsNamed) {
  EXPECT_NE(message_of([&] { run({}, options({"gradcm"})); }).find("grad-cam"), std::string::npos);
  AttributeOptions o = options({"gradient"});
  o.label = "frogg";
  EXPECT_NE(message_of([&] { run({}, o); }).find("\"frog\""), std::string::npos);
  o = options({"grad-cam"});
  o.layer = "conv7.rel";
  EXPECT_NE(message_of([&] { run({}, o); }).find("conv7.relu"), std::string::npos);
  o.layer = "classifier";
  EXPECT_NE(message_of([&] { run({}, o); }).find("no maps"), std::string::npos);
  o = options({"cam"});  // this network takes the maximum
  EXPECT_NE(message_of([&] { run({}, o); }).find("global average"), std::string::npos);
  o = options({"gradient"});
  o.memory = 1;
  EXPECT_NE(message_of([&] { run({}, o); }).find("limit is 1.0 MiB"), std::string::npos);
  o = options({"gradient"});
  o.output = (folder_ / "sheet.gif").string();
  EXPECT_NE(message_of([&] { run({}, o); }).find("sheet.png"), std::string::npos);
  o.output = (folder_ / "nowhere" / "sheet.png").string();
  EXPECT_THROW(run({}, o), WriteError);
}

TEST_F(Attribute, DeconvOfOnePicture) {
  DeconvOptions o = deconv();
  o.layer = "conv3.relu";
  o.unit = "5,0-1";
  o.output = (folder_ / "plate.png").string();
  const Report report = run({}, o);
  const auto& units = (*report.json)["layers"][0]["units"];
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[0]["unit"], 5);
  EXPECT_EQ(units[2]["unit"], 1);
  EXPECT_EQ(units[0]["places"].size(), 1u);
  EXPECT_GT(read_image(o.output).height(), 100);
}

TEST_F(Attribute, DeconvOfAFolderPassesOverBrokenPictures) {
  std::ofstream(folder_ / "pictures" / "broken.png") << "not a picture";
  DeconvOptions o = deconv();
  o.images = {(folder_ / "pictures").string()};
  o.layers = "2";
  o.patches = 3;
  o.output = (folder_ / "plate.png").string();
  const Report report = run({}, o);
  EXPECT_EQ((*report.json)["skipped"].size(), 1u);
  ASSERT_EQ((*report.json)["layers"].size(), 2u);
  for (const auto& layer : (*report.json)["layers"])
    for (const auto& unit : layer["units"]) {
      ASSERT_EQ(unit["places"].size(), 3u);
      EXPECT_GE(unit["places"][0]["activation"], unit["places"][1]["activation"]);
      EXPECT_NE(unit["places"][0]["file"], unit["places"][1]["file"]);
    }
  EXPECT_NE(report.text.find("1 picture could not be read and had to be left out:"), std::string::npos) << report.text;
  EXPECT_NE(report.text.find("broken.png"), std::string::npos) << report.text;
  o.images = {(folder_ / "pictures" / "broken.png").string()};
  EXPECT_THROW(run({}, o), Error);
}

TEST_F(Attribute, DeconvSaysWhereLessIsShownThanAskedFor) {
  DeconvOptions o = deconv();
  o.layer = "conv3.relu";
  o.units = 3;
  const Report few = run({}, o);
  const int64_t units = (*few.json)["layers"][0]["units_in_layer"];
  EXPECT_NE(few.text.find(fmt::format("3 of {} units;", units)), std::string::npos) << few.text;
  o.units = 5000;
  const Report all = run({}, o);
  EXPECT_NE(all.text.find(fmt::format("{0} of {0} units, not 5000: it has no more", units)), std::string::npos)
      << all.text;
  EXPECT_EQ((*all.json)["layers"][0]["units"].size(), static_cast<size_t>(units));
  o.layer = "";
  o.layers = "100";
  o.units = 1;
  std::string notes;
  Context context;
  context.log = [&](std::string_view text) { notes += text; };
  const Report plate = run(context, o);
  const size_t layers = (*plate.json)["layers"].size();
  EXPECT_LT(layers, 100u);
  EXPECT_NE(notes.find(fmt::format("--layers 100: the network has {} layers", layers)), std::string::npos) << notes;
}

TEST_F(Attribute, DeconvNamesWhatIsNotThere) {
  DeconvOptions o = deconv();
  o.layer = "conv3.rely";
  EXPECT_NE(message_of([&] { run({}, o); }).find("conv3.relu"), std::string::npos);
  o.layer = "conv3.relu";
  o.unit = "100000";
  EXPECT_NE(message_of([&] { run({}, o); }).find("there is no 100000"), std::string::npos);
  o.unit = "a";
  EXPECT_NE(message_of([&] { run({}, o); }).find("0-15,40"), std::string::npos);
  o.unit = "";
  o.layers = "2";
  EXPECT_NE(message_of([&] { run({}, o); }).find("one of them"), std::string::npos);
}

TEST(NameList, Splits) { EXPECT_EQ(split_names({"a, b", ",c"}), (std::vector<std::string>{"a", "b", "c"})); }

}  // namespace
}  // namespace fovea
