// `fovea filters`, `activations`, `top` and `field` on the built-in networks: what they find, draw and refuse.
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/commands/activations.h"
#include "fovea/commands/field.h"
#include "fovea/commands/filters.h"
#include "fovea/commands/top.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/data/loose_pictures.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/report/caption.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
using namespace testing_data;

class Views : public WithFolder {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string scene(const std::string& name, uint64_t key) const {
    fs::create_directories((folder_ / name).parent_path());
    write_image(folder_ / name, draw_scene("ship", 40, Rng(key)));
    return path(name);
  }
  static EngineOptions untuned() {
    EngineOptions engine;
    engine.tune = "off";
    return engine;
  }
};

TEST_F(Views, FiltersOfTheFirstLayer) {
  FiltersOptions o;
  o.model.model = "builtin:cifar10";
  o.engine = untuned();
  o.output = path("plate.png");
  o.sort = "similarity";
  o.plain = true;
  o.zoom = 4;
  o.gap = 2;
  o.columns = 8;
  const Report report = run({}, o);
  const Json& json = *report.json;
  EXPECT_EQ(json["layer"], "conv1");
  EXPECT_EQ(json["shape"], (Json{48, 3, 5, 5}));
  EXPECT_TRUE(json["reads_picture"].get<bool>());
  ASSERT_EQ(json["filters"].size(), 48u);
  EXPECT_TRUE(json["dead"].is_array());
  std::vector<bool> seen(48, false);
  for (const Json& f : json["filters"]) seen[f["unit"].get<size_t>()] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 48);
  const Image plate = read_image(o.output);
  EXPECT_EQ(plate.width(), 28 + 8 * 20 + 7 * 2);
  EXPECT_EQ(plate.height(), 28 + 6 * 20 + 5 * 2);
  EXPECT_NE(report.text.find("near duplicates"), std::string::npos);
}

TEST_F(Views, FiltersOfOneChannelAndOfDeeperLayers) {
  FiltersOptions o;
  o.model.model = "builtin:digits";
  o.engine = untuned();
  o.output = path("digits.png");
  EXPECT_EQ((*run({}, o).json)["shape"], (Json{12, 1, 5, 5}));
  o.layer = "conv2.relu";
  o.units = "3,20-23";
  o.channels = "0-3";
  const Json json = *run({}, o).json;
  EXPECT_EQ(json["layer"], "conv2");
  const std::string caption = json["caption"];
  EXPECT_NE(caption.find("5 of 24 filters are shown"), std::string::npos) << caption;
  EXPECT_NE(caption.find("4 of 12 channels are shown"), std::string::npos) << caption;
  o.units = "24";
  expect_error(ErrorKind::usage, {"there is no 24", "only 0 to 23"}, [&] { run({}, o); });
  o.units = "5-3";
  expect_error(ErrorKind::usage, {"\"5-3\" is no number or range"}, [&] { run({}, o); });
  o.layer = "pool1";
  expect_error(ErrorKind::usage, {"no filters of its own", "conv1", "conv2"}, [&] { run({}, o); });
  o.layer = "conv22";
  expect_error(ErrorKind::usage, {"there is no layer \"conv22\"", "did you mean"}, [&] { run({}, o); });
  o.output = path("nowhere/x.png");
  expect_error(ErrorKind::io, {"there is no folder"}, [&] { run({}, o); });
  o.output = path("x.gif");
  expect_error(ErrorKind::usage, {".png"}, [&] { run({}, o); });
}

TEST_F(Views, Activations) {
  ActivationsOptions o;
  o.model.model = "builtin:cifar10";
  o.engine = untuned();
  o.image = scene("ship.png", 1);
  o.output = path("maps.png");
  o.maps = 5;
  const Json json = *run({}, o).json;
  ASSERT_GE(json["layers"].size(), 3u);
  for (const Json& layer : json["layers"]) {
    ASSERT_EQ(layer["strongest"].size(), 5u);
    double last = INFINITY;
    for (const Json& unit : layer["strongest"]) {
      EXPECT_LE(unit["peak"].get<double>(), last);
      last = unit["peak"];
      EXPECT_LT(unit["sees"]["top"].get<int>(), unit["sees"]["bottom"].get<int>());
    }
    EXPECT_EQ(layer["strongest"][0]["peak"].get<float>(), layer["greatest"].get<float>());
  }
  EXPECT_GT(read_image(o.output).width(), 600);
  o.layers = {"classifier", "conv3"};
  const Json named = *run({}, o).json;
  EXPECT_EQ(named["layers"][0]["maps"], (Json{10, 1, 1}));
  EXPECT_TRUE(named["layers"][0]["strongest"][0].contains("class"));
  EXPECT_EQ(named["layers"][1]["layer"], "conv3");
  o.layers = {"conv3.weight"};
  expect_error(ErrorKind::usage, {"there is no layer"}, [&] { run({}, o); });
  o.image = path("none.png");
  expect_error(ErrorKind::io, {"none.png", "no such file"}, [&] { run({}, o); });
}

TEST_F(Views, TopPatchesOfAFolderWithABrokenPicture) {
  for (uint64_t i = 0; i < 5; ++i) scene("set/" + std::to_string(i) + ".png", i);
  write("set/broken.png", "no picture");
  write("set/notes.txt", "not one of them");
  TopOptions o;
  o.model.model = "builtin:cifar10";
  o.engine = untuned();
  o.data = path("set");
  o.layers = {"conv2.relu"};
  o.units = "0-3,60";
  o.count = 4;
  o.output = path("top.png");
  const Report report = run({}, o);
  const Json& json = *report.json;
  EXPECT_EQ(json["samples"], 5);
  ASSERT_EQ(json["skipped"].size(), 1u);
  EXPECT_NE(json["skipped"][0].get<std::string>().find("broken.png"), std::string::npos);
  EXPECT_NE(report.text.find("1 picture could not be read and had to be left out:"), std::string::npos);
  ASSERT_EQ(json["layers"].size(), 1u);
  const Json& layer = json["layers"][0];
  ASSERT_EQ(layer["units"].size(), 5u);
  EXPECT_EQ(layer["units"][4]["unit"], 60);
  EXPECT_EQ(layer["field"], (Json{7, 7}));
  for (const Json& unit : layer["units"]) {
    ASSERT_EQ(unit["patches"].size(), 4u);
    for (const Json& p : unit["patches"]) {
      EXPECT_LE(p["box"]["bottom"].get<int>() - p["box"]["top"].get<int>(), 7);
      EXPECT_NE(p["name"].get<std::string>().find("set/"), std::string::npos);
    }
  }
  EXPECT_EQ((*run({}, o).json)["layers"], json["layers"]);
  const int height = read_image(o.output).height();
  o.layers = {"conv2.relu, conv3.relu", "conv4.relu"};
  const Report several = run({}, o);
  ASSERT_EQ((*several.json)["layers"].size(), 3u);
  EXPECT_EQ((*several.json)["layers"][0], layer) << "a layer's patches do not depend on the others";
  EXPECT_EQ((*several.json)["layers"][2]["layer"], "conv4.relu");
  EXPECT_GT(read_image(o.output).height(), 2 * height);
  o.layers = {"conv2.relu", "conv2.relu"};
  expect_error(ErrorKind::usage, {"given twice"}, [&] { run({}, o); });
  o.layers = {"conv2.relu"};
  o.memory = 1;
  expect_error(ErrorKind::usage, {"one picture needs", "limit is 1.0 MiB"}, [&] { run({}, o); });
  o.memory = 1024;
  o.units = "64";
  expect_error(ErrorKind::usage, {"there is no 64", "only 0 to 63"}, [&] { run({}, o); });
  fs::create_directories(folder_ / "empty");
  o.data = path("empty");
  expect_error(ErrorKind::usage, {"the folder is empty"}, [&] { run({}, o); });
  o.data = "drawn:spirals";
  o.units = "0";
  expect_error(ErrorKind::usage, {"holds numbers", "expected a picture"}, [&] { run({}, o); });
}

TEST_F(Views, TopPatchesOfADrawnSetOnOneChannel) {
  TopOptions o;
  o.model.model = "builtin:digits";
  o.engine = untuned();
  o.data = "drawn:glyphs?count=40";
  o.layers = {"fc1.relu"};
  o.units = "all";
  o.count = 3;
  o.limit = 30;
  const Json whole = *run({}, o).json;
  EXPECT_EQ(whole["samples"], 30);
  const Json& json = whole["layers"][0];
  EXPECT_EQ(json["units"].size(), 120u);
  EXPECT_EQ(json["field"], (Json{28, 28}));
  for (const Json& unit : json["units"])
    for (const Json& p : unit["patches"]) EXPECT_LT(p["sample"].get<int>(), 30);
}

TEST_F(Views, FieldOfALayerAndOfAll) {
  FieldOptions o;
  o.model.model = "builtin:cifar10";
  o.engine = untuned();
  const Json all = *run({}, o).json;
  const auto row = [](const Json& json, const std::string& name) {
    for (const Json& layer : json["layers"])
      if (layer["layer"] == name) return layer;
    return Json();
  };
  EXPECT_EQ(row(all, "conv4")["size"], (Json{16.0, 16.0}));
  EXPECT_EQ(row(all, "pool2")["stride"], (Json{4.0, 4.0}));
  EXPECT_TRUE(row(all, "conv4.relu").is_null()) << "it sees what conv4 sees";
  o.all = true;
  EXPECT_FALSE(row(*run({}, o).json, "conv4.relu").is_null());
  o.layer = "conv4";
  o.runs = 4;
  o.at = "5,9";
  o.images = {scene("ship.png", 3)};
  o.output = path("field.png");
  const Json one = *run({}, o).json;
  EXPECT_EQ(one["at"], (Json{5, 9}));
  const Json box = one["box"], touched = one["effective"]["touched"];
  EXPECT_EQ(box["top"], 3);  // 2 · 5 − 7
  EXPECT_EQ(box["bottom"], 19);
  EXPECT_GE(touched["top"].get<int>(), box["top"].get<int>());
  EXPECT_LE(touched["right"].get<int>(), box["right"].get<int>());
  EXPECT_GT(one["effective"]["central_half"].get<double>(), 0.25);
  EXPECT_GT(read_image(o.output).width(), 700);
  write("mixed/broken.png", "no picture");
  scene("mixed/ship.png", 4);
  o.images = {path("mixed")};
  const Json mixed = *run({}, o).json;
  EXPECT_EQ(mixed["pictures"], 1);
  ASSERT_EQ(mixed["skipped"].size(), 1u);
  EXPECT_NE(mixed["skipped"][0].get<std::string>().find("broken.png"), std::string::npos);
  o.images = {path("mixed/broken.png")};
  expect_error(ErrorKind::format, {"0 of 1 picture can be read", "broken.png"}, [&] { run({}, o); });
  o.images.clear();
  o.at = "5";
  expect_error(ErrorKind::usage, {"--at 5", "such as 7,12"}, [&] { run({}, o); });
  o.at = "5,16";
  expect_error(ErrorKind::usage, {"its maps are 16 x 16"}, [&] { run({}, o); });
  o.layer.clear();
  expect_error(ErrorKind::usage, {"--layer"}, [&] { run({}, o); });
}

TEST_F(Views, AnyNameOfPicturesOpens) {
  const std::string one = scene("loose/b.png", 1);
  scene("loose/a.png", 2);
  EXPECT_EQ(open_pictures(one)->size(), 1);
  const auto loose = open_pictures(path("loose"));
  ASSERT_EQ(loose->size(), 2);
  EXPECT_NE(loose->name(0).find("a.png"), std::string::npos);
  scene("classes/cat/a.png", 3);
  scene("classes/dog/b.png", 4);
  EXPECT_EQ(open_pictures(path("classes"))->classes().size(), 2u);
  write("loose/labels.csv", "a.png,1\n");  // a set that names its pictures
  EXPECT_EQ(open_pictures(path("loose"))->label(0), 1);
  EXPECT_EQ(open_pictures("drawn:shapes?count=7")->size(), 7);
}

TEST(Caption, FitsItsWidth) {
  const std::string text = wrapped_text("one two three four five six\nseven", 60);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    EXPECT_LE(text_width(text.substr(begin, end - begin)), 60);
    begin = end + 1;
  }
  std::string flat = text;
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  EXPECT_EQ(flat, "one two three four five six seven");
  EXPECT_EQ(wrapped_text("incomprehensibilities", 10), "incomprehensibilities");
  EXPECT_EQ(short_value(1793.6), "1794");
  EXPECT_EQ(short_value(-0.01234), "-0.0123");
  EXPECT_EQ(short_value(2.5e7), "2.5e+07");
}

TEST(UnitList, NumbersAndRanges) {
  EXPECT_EQ(unit_list("7", 8, "units"), (std::vector<int64_t>{7}));
  EXPECT_EQ(unit_list("2-4,0", 8, "units"), (std::vector<int64_t>{2, 3, 4, 0}));
  EXPECT_EQ(unit_list("all", 3, "units"), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(unit_text({0, 1, 2, 7, 9, 10}), "0-2,7,9-10");
  for (const char* wrong :
       {"", ",", "1,,2", "a", "-1", "1-", "3-2", "8", "1,1", "0-3,2", "1.5", " 1", "99999999999999999999"})
    EXPECT_THROW(unit_list(wrong, 8, "units"), Error) << wrong;
}

}  // namespace
}  // namespace fovea
