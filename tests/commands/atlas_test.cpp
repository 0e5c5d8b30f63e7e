// The command atlas on a network that the program carries.
#include "fovea/commands/atlas.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/bytes.h"
#include "fovea/formats/builtin.h"
#include "fovea/image/codec.h"
#include "fovea/insight/maximisation.h"
#include "fovea/model/conventions.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class AtlasCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / fmt::format("fovea_atlas_{}", ::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  AtlasOptions options(const std::string& data = "drawn:glyphs?count=12") const {
    AtlasOptions o;
    o.model.model = "builtin:digits";
    o.engine.tune = "off";
    o.data = data;
    o.output = folder_.string();
    o.layers = {"conv1"};
    o.patches = 3;
    o.steps = 2;
    return o;
  }
  std::string text(const fs::path& name) const { return std::string(Bytes::map(folder_ / name).view()); }
  std::string record() const { return text(fs::path("layers") / "conv1.json"); }
  fs::path folder_;
};

TEST_F(AtlasCommand, APageForEachUnit) {
  const Report report = run({}, options());
  const auto& json = *report.json;
  EXPECT_EQ(json["kept"], 0);
  ASSERT_EQ(json["layers"].size(), 1u);
  const auto units = json["units"].get<int64_t>();
  ASSERT_GT(units, 1);
  const std::string index = text("index.html");
  EXPECT_NE(index.find("units/conv1/0.html"), std::string::npos);
  EXPECT_EQ(index.find("http"), std::string::npos) << "the pages ask nothing of a network";
  for (int64_t u = 0; u < units; ++u) {
    const std::string page = text(fs::path("units") / "conv1" / fmt::format("{}.html", u));
    EXPECT_NE(page.find(fmt::format("pictures/conv1/{}-maximum.png", u)), std::string::npos) << u;
    EXPECT_NE(page.find("(mean over its positions)"), std::string::npos) << "what the number at the picture is";
    EXPECT_NE(page.find("--count:3"), std::string::npos) << "the patches stand in one row where there is room";
    const Image plate = read_image(folder_ / "pictures" / "conv1" / fmt::format("{}-patches.png", u));
    EXPECT_EQ(plate.width() * 2, plate.height() * 3) << "three square patches above three projections";
    EXPECT_TRUE(fs::exists(folder_ / "pictures" / "conv1" / fmt::format("{}-filter.png", u)));
  }
  const auto layer = nlohmann::json::parse(record());
  for (const auto& unit : layer["units"]) {
    ASSERT_EQ(unit["patches"].size(), 3u);
    EXPECT_GE(unit["patches"][0]["score"], unit["patches"][1]["score"]);
    EXPECT_FALSE(unit["patches"][0]["label"].get<std::string>().empty());
  }
}

// Fewer steps are larger ones: 8 steps of 0.1 go further than 8 of 0.05.
TEST_F(AtlasCommand, FewerStepsAreLarger) {
  AtlasOptions o = options("");
  o.steps = 8;
  run({}, o);
  const auto answer = [&] { return nlohmann::json::parse(record())["units"][0]["maximum_value"].get<double>(); };
  const double few = answer();
  MaximisationSettings small;
  small.steps = 8;
  Model model = builtin_model("builtin:digits");
  complete_meaning(model);
  const UnitLayer layer = unit_layer(model, "conv1");
  Maximisation plain(model, selected_units(layer), small, 1);
  const auto backend = cpu_backend({});
  plain.prepare(*backend, {.tune = false});
  std::vector<float> first(static_cast<size_t>(layer.units), 0.0f);
  first[0] = 1;
  EXPECT_GT(few, plain({}, {{"0", 0, first}})[0].answer);
}

TEST_F(AtlasCommand, KeepsWhatIsThereAndMakesWhatIsMissing) {
  run({}, options());
  const std::string before = record();
  const fs::path maximum = folder_ / "pictures" / "conv1" / "2-maximum.png",
                 other = folder_ / "pictures" / "conv1" / "1-maximum.png";
  const std::string picture = text("pictures/conv1/2-maximum.png");
  EXPECT_EQ((*run({}, options()).json)["kept"], 1);
  EXPECT_EQ(record(), before);
  fs::remove(maximum);
  const auto made = fs::last_write_time(other);
  run({}, options());
  EXPECT_EQ(fs::last_write_time(other), made) << "what was there is left alone";
  EXPECT_TRUE(fs::exists(maximum));
  // Other pictures: what was made from noise is kept.
  EXPECT_EQ((*run({}, options("drawn:glyphs?count=9")).json)["kept"], 0);
  EXPECT_NE(record(), before);
  EXPECT_EQ(fs::last_write_time(other), made);
  AtlasOptions longer = options("drawn:glyphs?count=9");
  longer.steps = 3;
  EXPECT_EQ((*run({}, longer).json)["kept"], 1);
  EXPECT_NE(fs::last_write_time(other), made);
  write_file(folder_ / "layers" / "conv1.json", std::string_view("{\"units\": 3}"));
  EXPECT_EQ((*run({}, longer).json)["kept"], 0) << "a damaged record is made anew";
}

TEST_F(AtlasCommand, WithoutPicturesOrMaxima) {
  AtlasOptions o = options("");
  o.layers = {"conv1", "conv2"};
  const Report alone = run({}, o);
  EXPECT_EQ((*alone.json)["layers"].size(), 2u);
  EXPECT_NE(text("units/conv2/0.html").find("What it is made from"), std::string::npos);
  EXPECT_EQ(text("units/conv2/0.html").find("What excites it most"), std::string::npos);
  fs::remove_all(folder_);
  o.no_maxima = true;
  run({}, o);
  EXPECT_EQ(text("units/conv1/0.html").find("maximum.png"), std::string::npos);
}

TEST_F(AtlasCommand, SaysWhatIsWrong) {
  AtlasOptions o = options();
  o.layers = {"conv9"};
  EXPECT_NE(message_of([&] { run({}, o); }).find("conv"), std::string::npos);
  o = options("/no/such/folder");
  EXPECT_NE(message_of([&] { run({}, o); }).find("/no/such/folder"), std::string::npos);
  o = options();
  o.output = "/proc/none/atlas";
  EXPECT_THROW(run({}, o), WriteError);
}

}  // namespace
}  // namespace fovea
