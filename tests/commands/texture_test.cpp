// The command texture on random filters: sizes, seams, histograms, the plate, files, what is refused.
#include "fovea/commands/texture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/again.h"
#include "fovea/commands/picture_record.h"
#include "fovea/data/drawn_painting.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "fovea/image/colour_transfer.h"
#include "fovea/image/geometry.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/model/random_filters.h"
#include "tests/commands/picture_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

// stripes.png: stripes of two colours with a little of a drawn picture in them.
struct Folder : TemporaryFolder {
  Folder() {
    Image stripes = draw_scene("ship", 48, Rng(1));
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 48; ++x)
        if ((x + y) % 12 < 6)
          for (int c = 0; c < 3; ++c) stripes.row(y)[3 * x + c] = static_cast<uint8_t>(c == 0 ? 220 : 60);
    write_image((*this)("stripes.png"), stripes);
  }
};

TextureOptions small(const Folder& folder) {
  TextureOptions o = small_texture(folder);
  o.image = folder("stripes.png");
  o.steps = 4;
  return o;
}

double mean_of(const Image& image, int channel) {
  double sum = 0;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) sum += image.at(x, y, channel);
  return sum / (image.width() * image.height());
}

TEST(TextureCommand, MakesAPictureOfAnySizeThatCanBeMadeAgain) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.size = "70x33";
  o.steps = 12;
  const Report report = run({}, o);
  EXPECT_EQ(read_image(o.output).width(), 70);
  EXPECT_EQ(read_image(o.output).height(), 33);
  const auto& json = *report.json;
  for (const char* key : {"output", "image", "model", "layers", "seed", "tileable", "width", "height", "steps",
                          "finished", "evaluations", "seconds", "stages", "pictures_on_the_way"})
    EXPECT_TRUE(json.contains(key)) << key;
  const auto& losses = json.at("stages")[0].at("loss");
  ASSERT_EQ(losses.size(), 12u);
  EXPECT_LT(losses.back().get<double>(), 0.7 * losses.front().get<double>());
  EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed);
  EXPECT_EQ(bytes_of(o.output), bytes_of(folder("again.png")));
  o.seed = 1;
  o.output = folder("other.png");
  run({}, o);
  EXPECT_NE(read_image(o.output), read_image(folder("again.png")));
  o.size = "40";
  run({}, o);
  EXPECT_EQ(read_image(o.output).height(), 40);
  o.size = "";
  run({}, o);
  EXPECT_EQ(read_image(o.output).width(), 48);
}

// The network sees a tileable picture as an endless plane, so rolled by a stride of its deepest layer it is as good:
// where it is rolled from noise that is rolled, it comes out rolled. Seen here: the seam is no step.
TEST(TextureCommand, ATileableOneHasNoSeam) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.tileable = true;
  o.layers = "style1,style2,style3,style4,style5";
  o.size = "50x40";
  o.steps = 30;
  std::string notes;
  Context context;
  context.log = [&](std::string_view note) { notes += std::string(note) + "\n"; };
  run(context, o);
  const Image picture = read_image(o.output);
  EXPECT_EQ(picture.width() % 16, 0);
  EXPECT_GE(picture.width(), 50);
  EXPECT_NE(notes.find("whole strides of the deepest layer"), std::string::npos) << notes;
  double inside = 0, seam = 0;
  const int w = picture.width(), h = picture.height();
  for (int y = 0; y < h; ++y)
    for (int c = 0; c < 3; ++c) {
      seam += std::abs(picture.at(0, y, c) - picture.at(w - 1, y, c));
      for (int x = 1; x < w; ++x) inside += std::abs(picture.at(x, y, c) - picture.at(x - 1, y, c)) / (w - 1.0);
    }
  EXPECT_LT(seam, 1.5 * inside);
}

TEST(TextureCommand, HistogramsAreTheSources) {
  const Folder folder;
  TextureOptions o = small(folder);
  run({}, o);
  const Image source = read_image(o.image), plain = read_image(o.output);
  o.match_histogram = true;
  run({}, o);
  const Image matched = read_image(o.output);
  EXPECT_EQ(matched, with_histogram_of(plain, fitted(source, fitted_size(source, o.source_size))));
  EXPECT_NE(plain, matched);
  // Pixels of one grey level move together, so the means agree only nearly; yet better than before.
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(mean_of(matched, c), mean_of(source, c), 3) << c;
    EXPECT_LT(std::abs(mean_of(matched, c) - mean_of(source, c)), std::abs(mean_of(plain, c) - mean_of(source, c)))
        << c;
  }
}

// How much steeper the steps between columns and rows are at multiples of `side` than elsewhere.
double blockiness(const Image& picture, int side) {
  double at = 0, elsewhere = 0;
  int64_t many = 0, others = 0;
  const auto look = [&](int i, int difference) {
    (i % side == 0 ? at : elsewhere) += difference;
    ++(i % side == 0 ? many : others);
  };
  for (int y = 1; y < picture.height(); ++y)
    for (int x = 1; x < picture.width(); ++x)
      for (int c = 0; c < 3; ++c) {
        look(x, std::abs(picture.at(x, y, c) - picture.at(x - 1, y, c)));
        look(y, std::abs(picture.at(x, y, c) - picture.at(x, y - 1, c)));
      }
  return at / static_cast<double>(many) / (elsewhere / static_cast<double>(others));
}

// What made issue of it: the blocks of 16x16 pixels that a large scale's positions are, and a palette that is the
// source's own.
TEST(TextureCommand, RandomFiltersMakeNoBlocks) {
  const Folder folder;
  TextureOptions o = small(folder);
  write_image(folder("painting.png"), draw_painting(160, Rng(5)));
  o.image = folder("painting.png");
  o.source_size = 160;
  o.layers = "style1,style2,style3,style4,style5";
  o.steps = 40;
  const Report report = run({}, o);
  const Image picture = read_image(o.output), source = read_image(o.image);
  for (const int side : {8, 16}) EXPECT_LT(blockiness(picture, side), 1.1) << side;
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(mean_of(picture, c), mean_of(source, c), 8) << c;
  // Every scale counts: none holds nearly all of the loss at the end of the descent's beginning.
  const auto& terms = report.json->at("stages")[0].at("terms_at_end");
  const double all = report.json->at("stages")[0].at("loss").back();
  for (const auto& [name, value] : terms.items()) EXPECT_LT(value.get<double>(), 0.8 * all) << name;
}

TEST(TextureCommand, RandomFiltersAreNoLargerThanAThirdOfTheSource) {
  const Folder folder;
  TextureOptions o = small(folder);
  EXPECT_EQ(run({}, o).json->at("layers"), (std::vector<std::string>{"style1", "style2"}));
  o.source_size = 90;
  o.steps = 1;
  EXPECT_EQ(run({}, o).json->at("layers"), (std::vector<std::string>{"style1", "style2", "style3"}));
  o.layers = "style5";
  EXPECT_EQ(run({}, o).json->at("layers"), (std::vector<std::string>{"style5"}));
  EXPECT_EQ(random_filter_layers(1).size(), 1u);
  EXPECT_EQ(random_filter_layers(256).size(), 4u);
  EXPECT_EQ(random_filter_layers(5000).size(), 5u);
}

// Batch norms are folded, so its weights can be normalised.
TEST(TextureCommand, ANetworkWithBatchNormsNeedsNoOption) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.model.model = "builtin:cifar10";
  o.steps = 15;
  const Report report = run({}, o);
  const auto& losses = report.json->at("stages")[0].at("loss");
  EXPECT_LT(losses.back().get<double>(), 0.8 * losses.front().get<double>());
  const Image normalised = read_image(o.output);
  o.keep_weights = true;
  run({}, o);
  EXPECT_NE(read_image(o.output), normalised);
}

// Pictures that were made whole are made whole again, whatever memory is free by then; or it is said that it is not.
TEST(TextureCommand, AgainWithLittleMemoryLeft) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.size = "400";
  o.layers = "style1";
  o.steps = 2;
  run({}, o);
  const auto again = [&](const char* mebibytes) {
    ::setenv("FOVEA_MEMORY", mebibytes, 1);
    const std::string said = message_of([&] {
      EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed);
      EXPECT_EQ(bytes_of(o.output), bytes_of(folder("again.png")));
    });
    ::unsetenv("FOVEA_MEMORY");
    return said;
  };
  // 70 % of it would ask for tiles.
  const TextureOptions limited = [&] {
    TextureOptions l = o;
    l.output = folder("limited.png");
    l.memory = "140M";
    return l;
  }();
  std::string notes;
  Context context;
  context.log = [&](std::string_view note) { notes += std::string(note) + "\n"; };
  run(context, limited);
  ASSERT_NE(notes.find("tiles of"), std::string::npos) << notes;
  EXPECT_EQ(again("200"), "nothing was thrown");
  const std::string said = again("20");
  EXPECT_NE(said.find("the picture was made in one piece: at 400x400 that takes about "), std::string::npos) << said;
  EXPECT_NE(said.find("20.0 MiB is free now"), std::string::npos) << said;
}

TEST(TextureCommand, TheLadderIsAPlate) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.layers = "all";
  const Report report = run({}, o);
  EXPECT_EQ(report.json->at("ladder").size(), 5u);
  EXPECT_EQ(report.json->at("ladder")[4].at("layers").size(), 5u);
  EXPECT_GT(read_image(o.output).width(), 3 * 160);
  EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed);
  EXPECT_EQ(bytes_of(o.output), bytes_of(folder("again.png")));
}

TEST(TextureCommand, DepthLayersAndPooling) {
  const Folder folder;
  TextureOptions o = small(folder);
  o.depth = 16;
  o.output = folder("deep.tif");
  run({}, o);
  EXPECT_EQ(read_image(o.output).depth(), 16);
  o.depth = 8;
  o.output = folder("out.png");
  run({}, o);
  const Image all = read_image(o.output);
  o.layers = "style1,style2";
  o.layer_weights = "1,3";
  const Report report = run({}, o);
  EXPECT_EQ(report.json->at("layers"), (std::vector<std::string>{"style1", "style2"}));
  EXPECT_NE(read_image(o.output), all);
  o.layer_weights = "1,2,3";
  EXPECT_NE(
      message_of([&] { run({}, o); }).find("--layer-weights 1,2,3: expected one for each of 2 layers (style1, style2)"),
      std::string::npos);
}

TEST(TextureCommand, WhatIsRefused) {
  const Folder folder;
  const auto said = [&](const std::function<void(TextureOptions&)>& change) {
    TextureOptions o = small(folder);
    change(o);
    return message_of([&] { run({}, o); });
  };
  EXPECT_NE(said([](auto& o) { o.size = "0x30"; }).find("--size 0x30: expected pixels such as 512 or 640x480"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.size = "60000x60000"; }).find("60000x60000 pixels: pictures have at most"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.layers = "stile1"; }).find("did you mean \"style1\""), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.memory = "1M"; }).find("1 MiB of memory are allowed"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.layers = "all", o.save_every = 2; }).find("do not go with it"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.image += "x"; }).find("no such file"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.output = "none/out.png"; }).find("there is no folder none"), std::string::npos);
  EXPECT_NE(said([&](auto& o) {
              write_image(folder("thin.png"), Image(48, 1, 3));
              o.image = folder("thin.png");
            }).find("does not take pictures of 48x1 pixels"),
            std::string::npos);
}

}  // namespace
}  // namespace fovea
