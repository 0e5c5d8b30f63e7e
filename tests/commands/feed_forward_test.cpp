// Networks that were trained to paint, from ONNX, against PyTorch: tests/golden/feed_forward/make.py.
#include "fovea/commands/feed_forward.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/bytes.h"
#include "fovea/commands/again.h"
#include "fovea/commands/style.h"
#include "fovea/formats/npy_read.h"
#include "fovea/image/codec.h"
#include "fovea/image/geometry.h"
#include "fovea/image/resize.h"
#include "fovea/insight/painting_network.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "tests/temporary_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string golden(const std::string& name) {
  return (fs::path(FOVEA_SOURCE_DIR) / "tests/golden/feed_forward" / name).string();
}

// The network's file, how its colours are counted, and PyTorch's result.
struct Painter {
  const char *file, *colours, *expected;
};
const std::vector<Painter> kPainters = {{"transposed.onnx", "vgg", "transposed.npy"},
                                        {"nearest.onnx", "raw", "nearest.npy"},
                                        {"fixed.onnx", "raw", "nearest.npy"}};

StyleOptions options(const TemporaryFolder& folder, const Painter& painter) {
  StyleOptions o;
  o.content = golden("content.png");
  o.network = golden(painter.file);
  o.model.preprocess = painter.colours;
  o.size = 50;
  o.output = folder("out.png");
  o.engine.tune = "off";
  return o;
}

// PyTorch's numbers [3,H,W] as a picture.
Image expected_picture(const Painter& painter) {
  const Tensor numbers = read_npy(Bytes::map(golden(painter.expected)));
  const auto data = numbers.data<float>();
  const auto height = static_cast<int>(numbers.size(1)), width = static_cast<int>(numbers.size(2));
  const std::vector<double> mean =
      std::string(painter.colours) == "vgg" ? std::vector{103.939, 116.779, 123.68} : std::vector{0.0, 0.0, 0.0};
  Image picture(width, height, 3);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const int to = mean[0] > 0 ? 2 - c : c;
        const double v = data[static_cast<size_t>((c * height + y) * width + x)] + mean[static_cast<size_t>(c)];
        picture.row(y)[3 * x + to] = static_cast<uint8_t>(std::clamp(std::round(v), 0.0, 255.0));
      }
  return picture;
}

int greatest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width(), b.width());
  EXPECT_EQ(a.height(), b.height());
  int most = 0;
  for (int y = 0; y < std::min(a.height(), b.height()); ++y)
    for (int x = 0; x < std::min(a.width(), b.width()); ++x)
      for (int c = 0; c < 3; ++c) most = std::max(most, std::abs(a.at(x, y, c) - b.at(x, y, c)));
  return most;
}

// At 50 x 45 pixels, exported at 48 x 56: the strides make 52 x 48 of it, of which the content's part is kept.
TEST(FeedForward, ThePictureIsPyTorchs) {
  const TemporaryFolder folder;
  for (const Painter& painter : kPainters) {
    const StyleOptions o = options(folder, painter);
    const Report report = run({}, o);
    EXPECT_EQ(report.json->at("width"), 50) << painter.file;
    EXPECT_EQ(report.json->at("height"), 45) << painter.file;
    const Image expected = expected_picture(painter);
    EXPECT_EQ(expected.width(), 52);
    EXPECT_LE(greatest_difference(read_image(o.output), crop(expected, 0, 0, 50, 45)), 1) << painter.file;
    EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed) << painter.file;
  }
}

// The whole output, before anything is rounded or cut.
TEST(FeedForward, TheNumbersArePyTorchs) {
  const auto backend = cpu_backend({});
  for (const Painter& painter : kPainters) {
    ModelOptions named;
    named.model = golden(painter.file);
    named.preprocess = painter.colours;
    const Model model = painting_network(open({}, named), 45, 50);
    const Tensor expected = read_npy(Bytes::map(golden(painter.expected)));
    Program program = compile(model.graph, std::vector{model.graph.outputs[0].value}, model.weights, *backend, {});
    const Image content = read_image(golden("content.png"));
    const Tensor made = program.run({{"picture", normalise(content, *model.meaning.preprocess)}})[0];
    ASSERT_EQ(made.count(), expected.count());
    const auto a = made.data<float>(), b = expected.data<float>();
    double square = 0, most = 0;
    for (size_t i = 0; i < b.size(); ++i) {
      most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
      square += b[i] * b[i];
    }
    // Sixteen layers of instance norm, each of which divides by a deviation: 1e-4 of the mean size.
    EXPECT_LT(most, 1e-4 * std::sqrt(square / static_cast<double>(b.size())) + 0.01) << painter.file;
  }
}

TEST(FeedForward, AnySizeOfPicture) {
  const TemporaryFolder folder;
  const Image content = read_image(golden("content.png"));
  for (const auto& [width, height] : {std::pair{41, 43}, {42, 64}, {63, 45}, {64, 64}, {71, 42}})
    for (const Painter& painter : kPainters) {
      write_image(folder("content.png"), resize(content, width, height, Filter::bicubic));
      StyleOptions o = options(folder, painter);
      o.content = folder("content.png");
      o.size = std::max(width, height);
      run({}, o);
      EXPECT_EQ(read_image(o.output).width(), width) << painter.file;
      EXPECT_EQ(read_image(o.output).height(), height) << painter.file;
    }
}

TEST(FeedForward, ItsOptions) {
  const TemporaryFolder folder;
  StyleOptions o = options(folder, kPainters[1]);
  run({}, o);
  const Image plain = read_image(o.output);
  // As --model, where no style picture is given.
  std::swap(o.network, o.model.model);
  run({}, o);
  EXPECT_EQ(read_image(o.output), plain);
  std::swap(o.network, o.model.model);
  o.depth = 16;
  run({}, o);
  EXPECT_EQ(read_image(o.output).depth(), 16);
  EXPECT_LE(greatest_difference(read_image(o.output).to_8bit(), plain), 1);
  o.depth = 8;
  write_image(folder("grey.png"), read_image(golden("content.png")).to_grey());
  o.content = folder("grey.png");
  o.colours = "luminance";
  run({}, o);
  const Image grey = read_image(o.output);
  for (int x = 0; x < grey.width(); ++x) EXPECT_LE(std::abs(grey.at(x, 7, 0) - grey.at(x, 7, 2)), 1);
}

// Bytes of memory that the process has now ("VmRSS:") or has had at most ("VmHWM:").
double process_bytes(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what)) return 1024 * std::stod(line.substr(what.size()));
  return 0;
}

TEST(FeedForward, TheMemoryThatIsToldIsTheMemoryThatIsTaken) {
  const TemporaryFolder folder;
  for (const Painter& painter : {kPainters[0], kPainters[1]}) {
    StyleOptions o = options(folder, painter);
    o.size = 1000;
    run({}, o);  // what is allocated once only
    ModelOptions named;
    named.model = golden(painter.file);
    named.preprocess = painter.colours;
    const Model model = painting_network(open({}, named), 900, 1000);
    const auto told = static_cast<double>(painting_bytes(model, Engine(o.engine), 900, 1000, size_t{1} << 40));
    std::ofstream("/proc/self/clear_refs") << "5";  // the most so far is forgotten
    const double before = process_bytes("VmRSS:");
    run({}, o);
    const double taken = process_bytes("VmHWM:") - before;
    ASSERT_GT(taken, 50e6) << painter.file;
    EXPECT_GE(told, 0.95 * taken) << painter.file;
    EXPECT_LE(told, 1.5 * taken) << painter.file;
  }
}

TEST(FeedForward, WhatIsRefused) {
  const TemporaryFolder folder;
  const auto said = [&](const std::function<void(StyleOptions&)>& change) {
    StyleOptions o = options(folder, kPainters[0]);
    change(o);
    return message_of([&] { run({}, o); });
  };
  EXPECT_NE(said([](auto& o) { o.styles = {"a.png"}; }).find("has its style already: leave a.png out"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.model.model = "vgg19"; }).find("give one of them"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.resume = "a.state"; }).find("has no steps to go on with"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.network = "none.onnx"; }).find("no such file"), std::string::npos);
  const std::string large = said([](auto& o) { o.size = 16000, o.memory = "2G"; });
  EXPECT_NE(large.find("16000x14400: about "), std::string::npos) << large;
  EXPECT_NE(large.find("of memory, and 2.00 GiB may be used: a smaller --size"), std::string::npos) << large;
  const std::string classes = said([](auto& o) { o.network = "builtin:cifar10", o.model.preprocess = ""; });
  EXPECT_NE(classes.find("expected a picture"), std::string::npos) << classes;
}

}  // namespace
}  // namespace fovea
