// `fovea features`, `neighbours` and `map` on networks and pictures made here.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/commands/features.h"
#include "fovea/commands/map.h"
#include "fovea/commands/neighbours.h"
#include "fovea/features/codes.h"
#include "fovea/features/layer_codes.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/image/codec.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
using namespace testing_data;

// Channel c of "code" [1,3,4,4] is gain · colour c, its maps' sums times a matrix are the scores.
Model colours(double gain, int64_t channels = 3) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 3, 4, 4}});
  const Value w = parameter(g, "w", {DType::f32, {channels, 3, 1, 1}}),
              v = parameter(g, "v", {DType::f32, {2, channels, 1, 1}});
  const Value code = relu(g, conv(g, x, w, {}, {}));
  g.rename(code.node, "code");
  g.outputs = {{"scores", reduce(g, conv(g, code, v, {}, {}), {.axes = {2, 3}})}};
  Tensor first(DType::f32, {channels, 3, 1, 1});
  for (int64_t c = 0; c < std::min<int64_t>(3, channels); ++c) first.set(c * 3 + c, gain);
  model.weights["w"] = first;
  model.weights["v"] = Tensor::full(DType::f32, {2, channels, 1, 1}, 0.5);
  model.meaning.name = "colours";
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  model.meaning.preprocess = preset("unit", 4, 4);
  model.meaning.preprocess->resize = "stretch";
  model.meaning.preprocess_stated = true;
  return model;
}

class CodesCommands : public WithFolder {
 protected:
  void SetUp() override {
    WithFolder::SetUp();
    model_ = save("m.onnx", colours(1));
    for (int i = 0; i < 20; ++i) {
      paint(fmt::format("set/blue/{:02}.png", i), {10, 20, 100 + i});
      paint(fmt::format("set/red/{:02}.png", i), {120 + 2 * i, 30, 9});
    }
  }
  std::string save(const std::string& name, const Model& model) const {
    write_onnx(model, folder_ / name);
    return (folder_ / name).string();
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  void paint(const std::string& name, std::vector<int> colour) const {
    Image picture(4, 4, 3);
    for (size_t i = 0; i < picture.samples().size(); ++i) picture.samples()[i] = static_cast<uint8_t>(colour[i % 3]);
    fs::create_directories((folder_ / name).parent_path());
    write_image(folder_ / name, picture);
  }
  FeaturesOptions features(const std::string& output) const {
    FeaturesOptions o;
    o.model.model = model_;
    o.engine.tune = "off";
    o.data = at("set");
    o.output = at(output);
    return o;
  }
  Json made(const std::string& output) const { return *run({}, features(output)).json; }
  std::string bytes(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string model_;
};

TEST_F(CodesCommands, TheInputOfTheLastLayerIsTheDefault) {
  const Json json = made("c.npz");
  EXPECT_EQ(json["layer"], "code");
  EXPECT_EQ(json["pool"], "mean");
  EXPECT_EQ(json["dimensions"], 3);
  EXPECT_EQ(json["pictures"], 40);
  const Codes codes = read_codes(at("c.npz"));
  EXPECT_EQ(codes.classes, (std::vector<std::string>{"blue", "red"}));
  EXPECT_EQ(codes.labels[19], 0);
  EXPECT_EQ(codes.labels[20], 1);
  // The mean over positions of colour / 255.
  EXPECT_NEAR(codes.values.at(3 * 3 + 2), 103.0 / 255, 1e-6);
  EXPECT_NEAR(codes.values.at(20 * 3), 120.0 / 255, 1e-6);
  EXPECT_EQ(codes.thumbnail(25).at(3, 3, 0), 130);
}

TEST_F(CodesCommands, AnyLayerFlattenedOrPooled) {
  FeaturesOptions o = features("c.npz");
  o.layer = "code";
  EXPECT_EQ((*run({}, o).json)["dimensions"], 48);
  o.pool = "max";
  EXPECT_EQ((*run({}, o).json)["dimensions"], 3);
  o.layer = "x";
  o.pool = "none";
  o.thumbnails = 0;
  EXPECT_EQ((*run({}, o).json)["dimensions"], 48);
  const Codes codes = read_codes(at("c.npz"));
  EXPECT_NEAR(codes.values.at(2 * 16), 100.0 / 255, 1e-6);
  EXPECT_FALSE(codes.has_thumbnails());
  o.layer = "cod";
  expect_error(ErrorKind::usage, {"no layer \"cod\"", "code"}, [&] { run({}, o); });
}

TEST_F(CodesCommands, InterruptedAndBrokenPicturesAndTheSameBytes) {
  write("set/red/20.png", "no picture");
  paint("set/red/21.png", {255, 0, 0});
  FeaturesOptions o = features("whole.npz");
  o.batch = 8;
  const Json whole = *run({}, o).json;
  EXPECT_EQ(whole["pictures"], 41);
  ASSERT_EQ(whole["skipped"].size(), 1u);
  EXPECT_NE(whole["skipped"][0].get<std::string>().find("20.png"), std::string::npos);
  // Stopped after three batches.
  o.output = at("part.npz");
  std::atomic<bool> stop{false};
  Context context;
  context.cancel = &stop;
  context.progress = [&](const Progress& p) { stop = p.done >= 24; };
  expect_error(ErrorKind::usage, {"interrupted", "32 of 42", "part.npz"}, [&] { run(context, o); });
  EXPECT_TRUE(fs::exists(at("part.npz.part")));
  EXPECT_FALSE(fs::exists(at("part.npz")));
  const Json rest = *run({}, o).json;
  EXPECT_EQ(rest["resumed_at"], 32);
  EXPECT_EQ(rest["skipped"].size(), 1u);
  EXPECT_EQ(bytes("part.npz"), bytes("whole.npz"));
}

TEST_F(CodesCommands, AFolderWithoutClassesAndAnEmptyOne) {
  paint("loose/a.png", {1, 2, 3});
  paint("loose/b.png", {4, 5, 6});
  FeaturesOptions o = features("c.npz");
  o.data = at("loose");
  run({}, o);
  const Codes codes = read_codes(at("c.npz"));
  EXPECT_EQ(codes.count(), 2);
  EXPECT_FALSE(codes.has_labels());
  fs::create_directories(at("empty"));
  o.data = at("empty");
  expect_error(ErrorKind::usage, {"empty", "pictures"}, [&] { run({}, o); });
  o.data = at("nowhere");
  expect_error(ErrorKind::io, {"nowhere"}, [&] { run({}, o); });
  o.data = at("loose");
  o.output = at("c.txt");
  expect_error(ErrorKind::usage, {"c.npz"}, [&] { run({}, o); });
}

TEST_F(CodesCommands, NeighboursOfAPictureAndOfARow) {
  made("c.npz");
  paint("new.png", {130, 31, 9});
  NeighboursOptions o;
  o.codes = at("c.npz");
  o.engine.tune = "off";
  o.images = {at("new.png"), "#3"};
  o.k = 3;
  o.output = at("sheet.png");
  const Report report = run({}, o);
  const Json& json = *report.json;
  ASSERT_EQ(json["queries"].size(), 2u);
  const Json& first = json["queries"][0];
  EXPECT_EQ(first["features"][0]["row"], 25);  // red 130, green 30: 1 away
  EXPECT_EQ(first["features"][0]["class"], "red");
  EXPECT_NEAR(first["features"][0]["distance"].get<double>(), 1.0 / 255, 1e-6);
  EXPECT_NEAR(first["pixels"][0]["distance"].get<double>(), 4.0 / 255, 1e-6);  // of 16 pixels
  // Itself is left out; rows 2 and 4 are as near as each other up to rounding.
  const Json& row = json["queries"][1]["features"];
  EXPECT_EQ(row[0]["row"].get<int>() + row[1]["row"].get<int>(), 6);
  EXPECT_NE(row[0]["row"], 3);
  const Image sheet = read_image(at("sheet.png"));
  EXPECT_GT(sheet.width(), 300);
  o.agreement = true;
  o.images.clear();
  o.output.clear();
  const Json agreement = (*run({}, o).json)["agreement"];
  EXPECT_EQ(agreement["features"]["share"], 1);
  EXPECT_EQ(agreement["pixels"]["majority"], 1);
  EXPECT_NEAR(agreement["chance"].get<double>(), 19.0 / 39, 1e-12);
  o.approximate = true;
  // Many are equally far, and the graph may take others of those.
  EXPECT_GT((*run({}, o).json)["agreement"]["features"]["recall"], 0.7);
}

TEST_F(CodesCommands, NeighboursOfAFolderWithABrokenPicture) {
  made("c.npz");
  paint("new/a.png", {130, 31, 9});
  write("new/broken.png", "no picture");
  NeighboursOptions o;
  o.codes = at("c.npz");
  o.engine.tune = "off";
  o.images = {at("new")};
  o.k = 3;
  const Report report = run({}, o);
  EXPECT_EQ((*report.json)["queries"].size(), 1u);
  ASSERT_EQ((*report.json)["skipped"].size(), 1u);
  EXPECT_NE(report.text.find("1 picture could not be read and had to be left out:"), std::string::npos) << report.text;
  EXPECT_NE(report.text.find("broken.png"), std::string::npos) << report.text;
  o.images = {at("new/broken.png")};
  expect_error(ErrorKind::format, {"broken.png", "not a picture"}, [&] { run({}, o); });
  fs::remove(at("new/a.png"));
  o.images = {at("new")};
  expect_error(ErrorKind::format, {"0 of 1 picture can be read", "broken.png"}, [&] { run({}, o); });
}

TEST_F(CodesCommands, NeighboursSayWhatIsWrong) {
  made("c.npz");
  NeighboursOptions o;
  o.codes = at("c.npz");
  o.engine.tune = "off";
  expect_error(ErrorKind::usage, {"no picture", "--agreement"}, [&] { run({}, o); });
  o.images = {at("set/red/00.png")};
  o.model = save("other.onnx", colours(1, 5));
  expect_error(ErrorKind::usage, {"5 numbers", "have 3", "colours"}, [&] { run({}, o); });
  o.model = save("louder.onnx", colours(2));
  expect_error(ErrorKind::usage, {"louder.onnx", "other weights"}, [&] { run({}, o); });
  o.model.clear();
  o.k = 100;
  expect_error(ErrorKind::usage, {"100", "40"}, [&] { run({}, o); });
  o.images = {"#40"};
  expect_error(ErrorKind::usage, {"#40", "#39"}, [&] { run({}, o); });
  write_codes(at("bare.npz"), [&] {
    Codes codes = read_codes(at("c.npz"));
    codes.thumbnails = Tensor();
    codes.origin = {};
    return codes;
  }());
  o.codes = at("bare.npz");
  o.k = 2;
  o.images = {at("set/red/00.png")};
  expect_error(ErrorKind::usage, {"not made by", "#0"}, [&] { run({}, o); });
  o.output = at("s.png");
  expect_error(ErrorKind::usage, {"no thumbnails"}, [&] { run({}, o); });
}

TEST_F(CodesCommands, APlateOfFewPicturesShowsThemLarge) {
  made("c.npz");
  MapOptions o;
  o.codes = at("c.npz");
  o.method = "pca";
  o.png = at("a.png");
  run({}, o);
  const Image plate = read_image(o.png);  // 40 pictures: 2.4 times their root is 15 cells, of 64 pixels
  EXPECT_EQ(std::max(plate.width(), plate.height()), 15 * 64 + 2 * 16);
}

TEST_F(CodesCommands, MapsArePagesAndPlatesAndKept) {
  made("c.npz");
  MapOptions o;
  o.codes = at("c.npz");
  o.perplexity = 5;
  o.iterations = 200;
  o.output = at("a.html");
  o.png = at("a.png");
  o.keep = at("map.npz");
  o.cell = 8;
  o.cells = 20;
  const Json json = *run({}, o).json;
  EXPECT_EQ(json["pictures"], 40);
  EXPECT_GT(json["divergence"], 0);
  ASSERT_EQ(json["history"].size(), 4u) << "KL after every 50 iterations";
  EXPECT_EQ(json["history"][3][0], 200);
  EXPECT_NEAR(json["history"][3][1].get<double>(), json["divergence"].get<double>(), 0.05);
  EXPECT_GT(json["history"][0][1], json["history"][3][1]);
  EXPECT_LE(json["shown"], 40);
  const std::string page = bytes("a.html");
  for (const char* outside : {"http:", "https:", "//cdn"}) EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_NE(page.find("data:image/jpeg;base64,"), std::string::npos);
  EXPECT_NE(page.find("<polyline"), std::string::npos) << "how KL fell";
  // Another number of threads: the same bytes. The kept map: the same page.
  o.output = at("b.html");
  o.keep = at("map2.npz");
  set_thread_count(3);
  run({}, o);
  set_thread_count(0);
  EXPECT_EQ(bytes("b.html"), page);
  EXPECT_EQ(bytes("map.npz"), bytes("map2.npz"));
  o.codes = at("map.npz");
  o.keep.clear();
  o.output = at("c.html");
  o.grid = "fill";
  EXPECT_EQ((*run({}, o).json)["shown"], 40);
  EXPECT_EQ(bytes("c.html"), page);
  // New pictures lie with their like.
  paint("new/blue/a.png", {10, 20, 107});
  paint("new/red/a.png", {133, 30, 9});
  FeaturesOptions more = features("new.npz");
  more.data = at("new");
  run({}, more);
  o.place = at("new.npz");
  const Json placed = *run({}, o).json;
  ASSERT_EQ(placed["placed"], 2);
  const Json& places = placed["places"];
  EXPECT_GT(std::hypot(places[0][0].get<double>() - places[1][0].get<double>(),
                       places[0][1].get<double>() - places[1][1].get<double>()),
            1);
}

TEST_F(CodesCommands, MapsSayWhatIsWrong) {
  made("c.npz");
  MapOptions o;
  o.codes = at("c.npz");
  expect_error(ErrorKind::usage, {"nothing was asked", "-o map.html"}, [&] { run({}, o); });
  o.output = at("map.png");
  expect_error(ErrorKind::usage, {"map.html"}, [&] { run({}, o); });
  o.output = at("map.html");
  expect_error(ErrorKind::usage, {"40 pictures", "perplexity of 30", "at most 13"}, [&] { run({}, o); });
  write_codes(folder_ / "few.npz", [&] {
    Codes few;
    few.values = Tensor::of<float>({3, 1}, {0, 1, 5});
    few.labels = {-1, -1, -1}, few.indices = {0, 1, 2}, few.names = {"a", "b", "c"};
    return few;
  }());
  o.codes = at("few.npz");
  o.perplexity = 1;
  expect_error(ErrorKind::usage, {"3 pictures", "--method pca"}, [&] { run({}, o); });
  o.codes = at("c.npz");
  o.method = "pca";
  EXPECT_EQ((*run({}, o).json)["components"], 2);
  o.place = at("none.npz");
  expect_error(ErrorKind::io, {"none.npz"}, [&] { run({}, o); });
}

}  // namespace
}  // namespace fovea
