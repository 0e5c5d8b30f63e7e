// The command dream on the built-in networks: files, their record, JSON, the page, and what is refused.
#include "fovea/commands/dream.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/again.h"
#include "fovea/commands/picture_record.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/commands/picture_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

struct Folder : TemporaryFolder {
  Folder() { write_image((*this)("ship.png"), draw_scene("ship", 64, Rng(1))); }
};

DreamOptions small(const Folder& folder) {
  DreamOptions o = small_dream(folder);
  o.octaves = 2;
  o.steps = 2;
  o.output = folder("dream.png");
  return o;
}

TEST(DreamCommand, WritesADreamThatCanBeMadeAgain) {
  const Folder folder;
  DreamOptions o = small(folder);
  o.report = folder("dream.html");
  const Report report = run({}, o);
  EXPECT_FALSE(report.failed);
  EXPECT_EQ(report.files.size(), 2u);
  const auto& octaves = report.json->at("octaves");
  ASSERT_EQ(octaves.size(), 2u);
  EXPECT_EQ(octaves[0].at("width"), 46);
  EXPECT_EQ(octaves[1].at("values").size(), 2u);
  EXPECT_TRUE(report.json->at("finished").get<bool>());
  EXPECT_EQ(read_image(o.output).width(), 64);
  EXPECT_NE(read_image(o.output), read_image(o.image));
  const PictureRecord record = read_picture_record(Bytes::map(o.output));
  EXPECT_EQ(record.command,
            (std::vector<std::string>{"dream", o.image, "--layer", "conv4.relu", "--octaves", "2", "--steps", "2",
                                      "--jitter", "4", "--model", "builtin:cifar10", "--tune", "off"}));
  ASSERT_EQ(record.inputs.size(), 1u);
  EXPECT_EQ(record.plans.size(), 2u);  // a program an octave
  EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed);
  EXPECT_EQ(bytes_of(o.output), bytes_of(folder("again.png")));
  const std::string page = bytes_of(o.report);
  EXPECT_NE(page.find("class=\"compare\""), std::string::npos);
  EXPECT_NE(page.find("fovea dream"), std::string::npos);
  EXPECT_EQ(page.find("http"), page.find("http://www.w3.org"));  // nothing is asked of a network
  o.seed = 1;
  o.output = folder("other.png");
  run({}, o);
  EXPECT_NE(read_image(o.output), read_image(folder("again.png")));
}

TEST(DreamCommand, ZoomsIntoFramesThatCanBeMadeAgain) {
  const Folder folder;
  DreamOptions o = small(folder);
  o.image = "noise";
  o.size = 48;
  o.zoom_frames = 2;
  o.save = folder("frames");
  const Report report = run({}, o);
  EXPECT_EQ(report.files.size(), 4u);
  EXPECT_EQ(read_image(o.output), read_image(fs::path(o.save) / "frame-0002.png"));
  EXPECT_NE(read_image(o.output), read_image(fs::path(o.save) / "frame-0001.png"));
  const std::string middle = (fs::path(o.save) / "frame-0001.png").string();
  EXPECT_FALSE(run({}, AgainOptions{middle, folder("again.png")}).failed);
  EXPECT_EQ(bytes_of(middle), bytes_of(folder("again.png")));
}

TEST(DreamCommand, TilesThatMemoryAskedForAreInTheRecord) {
  const Folder folder;
  DreamOptions o = small(folder);
  o.size = 320;
  o.octaves = 1;
  o.steps = 1;
  o.memory = 55;
  const Report report = run({}, o);
  const auto tile = report.json->at("tile").get<int64_t>();
  EXPECT_GE(tile, 128);
  EXPECT_GT(report.json->at("octaves")[0].at("tiles").get<int64_t>(), 1);
  const PictureRecord record = read_picture_record(Bytes::map(o.output));
  EXPECT_NE(std::find(record.command.begin(), record.command.end(), "--tile"), record.command.end());
  o.memory = 12;  // the picture and its gradient fit, and no tile besides
  EXPECT_NE(message_of([&] { run({}, o); }).find("even in tiles of 128 pixels"), std::string::npos);
}

TEST(DreamCommand, InterruptedItKeepsThePicture) {
  const Folder folder;
  DreamOptions o = small(folder);
  o.steps = 50;
  std::atomic<bool> cancel{false};
  std::string notes;
  Context context;
  context.cancel = &cancel;
  context.log = [&](std::string_view note) { notes += note; };
  context.progress = [&](const Progress& p) { cancel = p.done > 300; };
  const Report report = run(context, o);
  EXPECT_FALSE(report.json->at("finished").get<bool>());
  EXPECT_NE(read_image(o.output), read_image(o.image));
  EXPECT_NE(notes.find("interrupted: "), std::string::npos) << notes;
  // It is not what its command makes: `again` does not take it for that.
  EXPECT_NE(message_of([&] { run({}, AgainOptions{o.output, ""}); }).find("holds no record"), std::string::npos);
}

TEST(DreamCommand, PicturesOfAllKinds) {
  const Folder folder;
  DreamOptions o = small(folder);
  o.octaves = 1;
  o.steps = 1;
  const auto dreamt = [&](const Image& image) {
    write_image(folder("odd.png"), image);
    o.image = folder("odd.png");
    run({}, o);
    return read_image(o.output);
  };
  EXPECT_NE(message_of([&] { dreamt(Image(1, 40, 3)); }).find("does not take a picture of 1 x 40 pixels; a larger"),
            std::string::npos);
  EXPECT_NE(message_of([&] { dreamt(Image(1, 1, 3)); }).find("1 x 1 pixels"), std::string::npos);
  EXPECT_EQ(dreamt(Image(40, 40, 4)).channels(), 3);
  EXPECT_EQ(dreamt(Image(40, 40, 1, 16)).depth(), 8);
  o.size = 96;
  EXPECT_EQ(dreamt(Image(30, 60, 3)).width(), 48);
  EXPECT_EQ(dreamt(Image(1, 1, 3)).width(), 96);
  EXPECT_EQ(dreamt(Image(4, 40, 3)).height(), 96);
}

TEST(DreamCommand, WhatIsRefused) {
  const Folder folder;
  const auto said = [&](const std::function<void(DreamOptions&)>& change) {
    DreamOptions o = small(folder);
    change(o);
    return message_of([&] { run({}, o); });
  };
  EXPECT_NE(said([](auto& o) { o.layers = {"conv4.rleu"}; }).find("did you mean \"conv4.relu\""), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.objective = "channel(conv4.relu, 1)"; }).find("give one of them"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.image += "x"; }).find("no such file"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.gradient = "even"; }).find("--gradient: \"even\" is none of plain"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.zoom_frames = 2; }).find("Give --save DIR"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.open = true; }).find("--report FILE.html"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.output = "dream.gif"; }).find("try dream.png"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.layers = {"conv4.relu:0"}; }).find("weight of 0"), std::string::npos);
}

}  // namespace
}  // namespace fovea
