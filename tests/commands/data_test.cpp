// `fovea data`: counts, numbers and the pictures that it draws; and `fovea evaluate` on tables and on bad sets.
#include "fovea/commands/data.h"

#include <nlohmann/json.hpp>
#include <set>

#include "fovea/commands/evaluate.h"
#include "fovea/data/open_data.h"
#include "fovea/data/statistics.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/image/codec.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
using namespace testing_data;

class DataCommand : public WithFolder {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void paint(const std::string& name, int width, int height, uint8_t red) const {
    Image picture(width, height, 3);
    for (size_t i = 0; i < picture.samples().size(); i += 3) picture.samples()[i] = red;
    fs::create_directories((folder_ / name).parent_path());
    write_image(folder_ / name, picture);
  }
};

TEST_F(DataCommand, CountsAndMeasures) {
  paint("set/a/1.png", 4, 6, 255);
  paint("set/a/2.png", 8, 6, 0);
  paint("set/b/1.png", 4, 2, 255);
  fs::create_directories(folder_ / "set" / "c");
  DataOptions o;
  o.data = path("set");
  const Report report = run({}, o);
  const Json& json = *report.json;
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["kind"], "pictures");
  EXPECT_EQ(json["width"], (Json{4, 8}));
  EXPECT_EQ(json["height"], (Json{2, 6}));
  EXPECT_EQ(json["classes"][0]["count"], 2);
  EXPECT_EQ(json["classes"][2]["name"], "c");
  EXPECT_EQ(json["classes"][2]["count"], 0);
  EXPECT_NE(report.text.find("without samples in this split: 1 class\n"), std::string::npos);
  EXPECT_DOUBLE_EQ(json["mean"][0].get<double>(), 32.0 / 80);  // of 24 + 48 + 8 pixels
  EXPECT_EQ(json["mean"][1], 0);
  EXPECT_NEAR(json["covariance"][0].get<double>(), 0.4 * 0.6, 1e-12);
  write("set/a/3.png", "no picture");
  expect_error(ErrorKind::format, {"3.png"}, [&] { run({}, o); });
  o.skip_broken = true;
  EXPECT_EQ((*run({}, o).json)["skipped"].size(), 1u);
}

TEST_F(DataCommand, DrawsSheets) {
  DataOptions o;
  o.data = "drawn:shapes?count=60&size=24";
  o.output = path("sheet.png");
  o.columns = 5;
  o.rows = 4;
  const Report report = run({}, o);
  ASSERT_EQ(report.files.size(), 1u);
  const Image plain = read_image(o.output);
  EXPECT_GT(plain.width(), 5 * 48);
  EXPECT_EQ(plain.height(), 2 * 10 + 4 * (48 + 4));
  o.augment = "flip:1";
  run({}, o);
  const Image changed = read_image(o.output);
  // A row: the sample at the left, then mirrored four times.
  const auto at = [&](int column, int x, int y) {
    const int left = changed.width() - 10 - 5 * 52 - 8, shift = column > 0 ? 8 : 0;
    return changed.at(left + column * 52 + shift + x, 10 + y, 0);
  };
  for (int k = 0; k < 48; k += 5)
    for (int column = 1; column < 5; ++column) EXPECT_EQ(at(column, 47 - k, 20), at(0, k, 20));
  o.augment.clear();
  for (const char* name : {"builtin:iris", "builtin:faithful", "drawn:moons"}) {
    o.data = name;
    run({}, o);
    const Image scatter = read_image(o.output);
    std::set<int> colours;
    for (int y = 0; y < scatter.height(); ++y)
      for (int x = 0; x < scatter.width(); ++x)
        colours.insert(scatter.at(x, y, 0) << 16 | scatter.at(x, y, 1) << 8 | scatter.at(x, y, 2));
    EXPECT_TRUE(colours.contains(0xe67e22)) << name;
    EXPECT_EQ(colours.contains(0x2f6fb7), std::string(name) != "builtin:faithful") << name;
  }
  o.augment = "flip";
  expect_error(ErrorKind::usage, {"flip", "for pictures"}, [&] { run({}, o); });
  o.output.clear();
  expect_error(ErrorKind::usage, {"-o FILE"}, [&] { run({}, o); });
}

// Scores of rows: x w + b.
class EvaluateData : public DataCommand {
 protected:
  std::string linear(const std::string& name, const Tensor& weight, const Tensor& bias,
                     const Standardisation& standardise = {}) const {
    Model model;
    Graph& g = model.graph;
    const Value x = input(g, "x", {DType::f32, {1, weight.shape()[1]}});
    g.outputs = {{"scores", gemm(g, x, parameter(g, "w", {DType::f32, weight.shape()}),
                                 parameter(g, "b", {DType::f32, bias.shape()}), {.trans_b = true})}};
    model.weights = {{"w", weight}, {"b", bias}};
    model.meaning.name = "linear";
    model.meaning.scores = "scores";
    state_standardisation(model.meaning, standardise);
    write_onnx(model, folder_ / name);
    return path(name);
  }
  // Class c scores the sum of channel c.
  std::string colours(const std::string& name, Preprocess how = preset("unit", 4, 4)) const {
    Model model;
    Graph& g = model.graph;
    const Value x = input(g, "x", {DType::f32, {1, 3, 4, 4}});
    const Value w = parameter(g, "w", {DType::f32, {3, 3, 1, 1}});
    g.outputs = {{"scores", reduce(g, conv(g, x, w, {}, {}), {.axes = {2, 3}})}};
    Tensor weight(DType::f32, {3, 3, 1, 1});
    for (int64_t c = 0; c < 3; ++c) weight.set(c * 3 + c, 1);
    model.weights = {{"w", weight}};
    model.meaning.name = "colours";
    model.meaning.input = "x";
    model.meaning.scores = "scores";
    model.meaning.preprocess = how;
    model.meaning.preprocess_stated = true;
    write_onnx(model, folder_ / name);
    return path(name);
  }
  static Json evaluated(const std::string& model, const std::string& data) { return *run_of(model, data).json; }
  static Report run_of(const std::string& model, const std::string& data) {
    EvaluateOptions o;
    o.model.model = model;
    o.engine.tune = "off";
    o.data = data;
    return run({}, o);
  }
};

TEST_F(EvaluateData, RowsAreScoredStandardised) {
  // moons without noise: y - y mean, scaled, tells more than half of them apart; the same by hand.
  const auto set = open_data("drawn:moons?noise=0.2&count=300");
  const Standardisation how = standardisation(set_statistics(*set));
  const std::string model =
      linear("m.onnx", Tensor::of<float>({2, 2}, {0, 1, 0, -1}), Tensor::of<float>({2}, {0, 0}), how);
  int64_t errors = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const Sample s = set->get(i);
    errors += (s.values.at(1) - how.mean[1] < 0 ? 1 : 0) != s.label;
  }
  const Json json = evaluated(model, "drawn:moons?noise=0.2&count=300");
  EXPECT_EQ(json["count"], 300);
  EXPECT_EQ(json["errors"], errors);
  EXPECT_GT(errors, 0);
  EXPECT_LT(errors, 100);
  // Without what the file states, the middle is elsewhere.
  const std::string bare = linear("b.onnx", Tensor::of<float>({2, 2}, {0, 1, 0, -1}), Tensor::of<float>({2}, {0, 0}));
  EXPECT_NE(evaluated(bare, "drawn:moons?noise=0.2&count=300")["errors"], errors);
  paint("set/a/1.png", 4, 4, 9);
  expect_error(ErrorKind::usage, {"takes 2 numbers", "4"}, [&] { evaluated(bare, "builtin:iris"); });
  expect_error(ErrorKind::usage, {"linear", "pictures"}, [&] { evaluated(bare, path("set")); });
  expect_error(ErrorKind::usage, {"takes 48 numbers"}, [&] { evaluated(colours("c.onnx"), "builtin:iris"); });
}

TEST_F(EvaluateData, LabelsOutOfRange) {
  write("set/t10k-images-idx3-ubyte", idx_pictures(3));
  write("set/t10k-labels-idx1-ubyte", idx({3}, std::string("\x00\x07\x01", 3)));
  expect_error(ErrorKind::usage, {"sample 1", "label 7", "3 classes (0 to 2)"},
               [&] { evaluated(colours("m.onnx"), path("set")); });
  paint("list/1.png", 4, 4, 9);
  write("list/labels.csv", "1.png,0\n1.png,-1\n");
  expect_error(ErrorKind::format, {"labels.csv line 2"}, [&] { evaluated(colours("m.onnx"), path("list")); });
}

TEST_F(EvaluateData, AClassMissingFromASplit) {
  for (const char* name : {"train/a/1.png", "train/b/1.png", "train/c/1.png", "test/a/1.png", "test/c/1.png"})
    paint(std::string("set/") + name, 4, 4, 200);
  // c stays class 2, though it is the second folder of the test set.
  const Report report = run_of(colours("m.onnx"), path("set"));
  const Json& json = *report.json;
  EXPECT_EQ(json["classes"].size(), 2u);
  EXPECT_EQ(json["classes"][1]["index"], 2);
  EXPECT_EQ(json["unseen"], Json{"b"});
  EXPECT_NE(report.text.find("1 class without samples here"), std::string::npos);
  EXPECT_NE(report.text.find(": b"), std::string::npos);
  paint("set/test/d/1.png", 4, 4, 200);
  expect_error(ErrorKind::format, {"class \"d\"", "training set does not have"},
               [&] { evaluated(colours("m.onnx"), path("set")); });
}

TEST_F(EvaluateData, PicturesOfMixedSizes) {
  paint("set/a/1.png", 4, 4, 200);
  paint("set/a/2.png", 9, 5, 200);
  paint("set/b/1.png", 3, 30, 200);
  EXPECT_EQ(evaluated(colours("m.onnx"), path("set"))["count"], 3);  // each resized as the network says
  Preprocess none = preset("unit", 4, 4);
  none.resize = "none";
  expect_error(ErrorKind::usage, {"9x5", "4x4", "does not resize", "--preprocess"},
               [&] { evaluated(colours("n.onnx", none), path("set")); });
}

TEST_F(EvaluateData, DamagedSets) {
  const std::string model = colours("m.onnx");
  const auto refuses = [&](ErrorKind kind, const std::string& data, const std::vector<std::string>& words) {
    expect_error(kind, words, [&] { evaluated(model, path(data)); });
  };
  fs::create_directories(folder_ / "empty");
  refuses(ErrorKind::format, "empty", {"empty", "0 files and 0 folders", "expected"});
  fs::create_directories(folder_ / "hollow" / "a");
  fs::create_directories(folder_ / "hollow" / "b");
  refuses(ErrorKind::format, "hollow", {"hollow", "no data set"});
  const std::string whole = packed(idx_pictures(300), "gz");
  write("cut/t10k-images-idx3-ubyte.gz", whole.substr(0, whole.size() / 2));
  write("cut/t10k-labels-idx1-ubyte", idx({300}, std::string(300, '\0')));
  refuses(ErrorKind::format, "cut", {"t10k-images-idx3-ubyte.gz", "damaged or cut short"});
  std::string lies = idx_pictures(3);
  lies[7] = 9;
  write("lies/t10k-images-idx3-ubyte", lies);
  write("lies/t10k-labels-idx1-ubyte", idx({3}, std::string(3, '\0')));
  refuses(ErrorKind::format, "lies", {"t10k-images-idx3-ubyte", "header says 54 bytes of 9x3x2", "holds 18"});
  write("few/t10k-images-idx3-ubyte", idx_pictures(3));
  write("few/t10k-labels-idx1-ubyte", idx({2}, std::string(2, '\0')));
  refuses(ErrorKind::format, "few", {"2 labels for the 3 pictures"});
  refuses(ErrorKind::io, "fev", {"no such file or folder", "did you mean \"few\""});
}

}  // namespace
}  // namespace fovea
