// The commands maximise and invert on the built-in networks: files, JSON, and what is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/invert.h"
#include "fovea/commands/maximise.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/temporary_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> bytes_of(const std::string& path) {
  const Bytes bytes = Bytes::map(path);
  return {bytes.data(), bytes.data() + bytes.size()};
}

MaximiseOptions digits(const std::string& output) {
  MaximiseOptions o;
  o.model.model = "builtin:digits";
  o.output = output;
  o.engine.tune = "off";
  o.settings.steps = 200;
  return o;
}

TEST(MaximiseCommand, TheSameSeedGivesTheSameFile) {
  const TemporaryFolder folder;
  MaximiseOptions o = digits(folder("a.png"));
  o.classes = {"3", "8"};
  o.save = folder("pictures");
  const Report report = run({}, o);
  const auto& pictures = report.json->at("pictures");
  ASSERT_EQ(pictures.size(), 2u);
  for (const auto& picture : pictures) {
    EXPECT_GE(picture.at("probability").get<double>(), 0.99);
    EXPECT_EQ(picture.at("guess").at("class"), picture.at("class"));
    EXPECT_EQ(read_image(picture.at("file").get<std::string>()).width(), 28);
  }
  EXPECT_EQ(report.files.size(), 3u);
  o.output = folder("b.png");
  run({}, o);
  EXPECT_EQ(bytes_of(folder("a.png")), bytes_of(folder("b.png")));
  o.seed = 1;
  run({}, o);
  EXPECT_NE(bytes_of(folder("a.png")), bytes_of(folder("b.png")));
}

TEST(MaximiseCommand, UnitsObjectivesAndRows) {
  const TemporaryFolder folder;
  MaximiseOptions o = digits(folder("a.png"));
  o.settings.steps = 4;
  o.units = {"conv1:0,2-4"};
  o.objective = "conv1:0 - 0.1*tv(2, mean)";
  EXPECT_EQ(run({}, o).json->at("pictures").size(), 5u);
  o.units = {"conv1:0,2"};
  o.objective.clear();
  o.between = 3;
  const Report row = run({}, o);
  ASSERT_EQ(row.json->at("pictures").size(), 3u);
  EXPECT_EQ(row.json->at("pictures")[1].at("label"), "0.50");
  o.between = 0;
  o.pictures = 2;
  EXPECT_EQ(run({}, o).json->at("pictures").size(), 4u);
}

TEST(MaximiseCommand, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::function<void(MaximiseOptions&)>& change) {
    MaximiseOptions o = digits(folder("a.png"));
    change(o);
    return message_of([&] { run({}, o); });
  };
  EXPECT_NE(refused([](auto&) {}).find("nothing to make"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.units = {"conv1"}; }).find("expected a layer and its units"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.units = {"conv1:7-3"}; }).find("is no number or range"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.units = {"conv1:0,"}; }).find("is no number or range"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.units = {"conv1:0-9999"}; }).find("there is no 9999"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.classes = {"10"}; }).find("there is no class 10"), std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.units = {"conv1:0"};
              o.between = 3;
            }).find("needs two units"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.units = {"conv1:0"};
              o.output = "a.gif";
            }).find("try a.png"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.units = {"conv1:0"};
              o.settings.side = 4096;
              o.memory = 1;
            }).find("of memory"),
            std::string::npos);
}

TEST(MaximiseCommand, IsFoundUnderBothSpellings) {
  ASSERT_NE(find_command("maximise"), nullptr);
  EXPECT_EQ(find_command("maximize"), find_command("maximise"));
}

TEST(InvertCommand, WritesASheetAndTheErrors) {
  const TemporaryFolder folder;
  write_image(folder("ship.png"), draw_scene("ship", 64, Rng(4)));
  InvertOptions o;
  o.model.model = "builtin:cifar10";
  o.engine.tune = "off";
  o.image = folder("ship.png");
  o.output = folder("sheet.png");
  o.layers = {"conv1", "log-probabilities"};
  o.settings.steps = 60;
  const Report report = run({}, o);
  const auto& layers = report.json->at("layers");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[1].at("layer"), "log-probabilities");
  InvertOptions hurried = o;
  hurried.layers = {"pool2", "conv1"};
  hurried.settings.steps = 40;
  const std::string text = run({}, hurried).text;
  EXPECT_NE(text.find("still falling when the steps ended: pool2"), std::string::npos) << text;
  for (const auto& layer : layers) {
    ASSERT_EQ(layer.at("pictures").size(), 1u);
    EXPECT_LT(layer.at("pictures")[0].at("error").get<double>(), 0.3);
  }
  EXPECT_GE(layers[0].at("pictures")[0].at("psnr").get<double>(), 25);
  EXPECT_GT(read_image(folder("sheet.png")).width(), 200);
  o.layers = {"conv77"};
  EXPECT_NE(message_of([&] { run({}, o); }).find("there is no layer \"conv77\""), std::string::npos);
  o.layers.clear();
  EXPECT_NE(message_of([&] { run({}, o); }).find("which layer?"), std::string::npos);
}

}  // namespace
}  // namespace fovea
