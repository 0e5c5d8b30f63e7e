// Odd and wrong input of style, texture and dream: pictures, masks, layers, weights, places to write to.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/dream.h"
#include "fovea/commands/style.h"
#include "fovea/commands/texture.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/commands/picture_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

StyleOptions small(const TemporaryFolder& folder) {
  StyleOptions o = small_style(folder);
  o.steps = 2;
  return o;
}

std::string golden(const char* name) {
  return (fs::path(FOVEA_SOURCE_DIR) / "tests/golden/image/files" / name).string();
}

// Of a run: its notes, or what it threw.
std::string said(const StyleOptions& o) {
  std::string notes;
  Context context;
  context.log = [&](std::string_view note) { notes += std::string(note) + "\n"; };
  const std::string thrown = message_of([&] { run(context, o); });
  return thrown == "nothing was thrown" ? notes : thrown;
}

TEST(BadPictures, AllKindsArePainted) {
  const PictureFolder folder;
  write_image(folder("dot.png"), Image(1, 1, 3));
  write_image(folder("alpha.png"), Image(40, 30, 4));
  write_image(folder("grey16.png"), Image(40, 30, 1, 16));
  for (const std::string& file :
       {folder("dot.png"), folder("alpha.png"), folder("grey16.png"), golden("cmyk.jpg"), golden("cmyk.tif")}) {
    StyleOptions o = small(folder);
    o.content = file;
    const std::string notes = said(o);
    EXPECT_TRUE(has(notes, "up to ")) << file << ": " << notes;
    EXPECT_EQ(has(notes, "its transparency is ignored"), has(file, "alpha")) << notes;
    const Image made = read_image(o.output);
    EXPECT_EQ(std::max(made.width(), made.height()), 48) << file;
    EXPECT_EQ(made.channels(), 3) << file;
    if (has(file, "dot")) continue;
    StyleOptions as_style = small(folder);
    as_style.styles = {file};
    as_style.style_layers = "style1,style2";  // some are small
    const std::string other = said(as_style);
    EXPECT_TRUE(has(other, "up to ")) << file << ": " << other;
  }
}

TEST(BadPictures, TooThinAndTooSmallAreRefusedByName) {
  const PictureFolder folder;
  write_image(folder("line.png"), Image(1, 40, 3));
  write_image(folder("tiny.png"), Image(5, 5, 3));
  StyleOptions o = small(folder);
  o.content = folder("line.png");
  EXPECT_TRUE(has(said(o), "does not take pictures of 1x48 pixels")) << said(o);
  // Smaller than the deepest layer's stride, as a style.
  o = small(folder);
  o.styles = {folder("tiny.png")};
  EXPECT_TRUE(has(said(o), "tiny.png at 5x5 pixels: the network does not take pictures of 5x5 pixels")) << said(o);
  EXPECT_TRUE(has(said(o), "a larger style picture, or fewer and shallower layers")) << said(o);
  o.style_layers = "style1,style2";
  EXPECT_TRUE(has(said(o), "up to 48x48")) << said(o);
}

// Neither the header's gigabytes nor the result's are taken.
TEST(BadPictures, HugeOnesAreRefusedBeforeMemoryIsTaken) {
  const PictureFolder folder;
  write_file(folder("lies.ppm"), std::string_view("P6 16000 16000 255\nabc"));
  write_file(folder("huge.ppm"), std::string_view("P6 20000 20000 255\nabc"));
  const size_t before = peak_memory();
  for (const char* file : {"lies.ppm", "huge.ppm"}) {
    StyleOptions o = small(folder);
    o.content = folder(file);
    EXPECT_TRUE(has(said(o), file) && has(said(o), "000 x ")) << said(o);
    o = small(folder);
    o.styles = {folder(file)};
    EXPECT_TRUE(has(said(o), file) && has(said(o), "000 x ")) << said(o);
    DreamOptions dream;
    dream.image = folder(file);
    dream.output = folder("out.png");
    dream.model.model = "builtin:cifar10";
    EXPECT_TRUE(has(message_of([&] { run({}, dream); }), file));
    TextureOptions texture;
    texture.image = folder(file);
    texture.output = folder("out.png");
    texture.model.model = "random-filters";
    EXPECT_TRUE(has(message_of([&] { run({}, texture); }), file));
  }
  StyleOptions o = small(folder);
  o.size = 40000;
  EXPECT_TRUE(has(said(o), "a result of 40000x40000 pixels: pictures have at most")) << said(o);
  o.size = 16000;
  o.memory = "300M";
  EXPECT_TRUE(has(said(o), "300 MiB of memory are allowed, but even the smallest tile")) << said(o);
  DreamOptions dream;
  dream.output = folder("out.png");
  dream.model.model = "builtin:cifar10";
  dream.size = 16384;
  dream.memory = 400;
  for (const std::string& image : {std::string("noise"), folder("ship.png")}) {
    dream.image = image;
    EXPECT_TRUE(has(message_of([&] { run({}, dream); }), "16384x16384 needs more than the 400 MiB of memory"));
  }
  EXPECT_LT(peak_memory() - before, size_t{400} << 20);
}

TEST(BadPictures, MasksOfOtherSizesAreFittedAndSaid) {
  const PictureFolder folder;
  Image mask(20, 30, 1);
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 20; ++x) mask.row(y)[x] = 255;
  write_image(folder("mask.png"), mask);
  write_image(folder("black.png"), Image(48, 48, 1));
  write_image(folder("half.png"), [] {
    Image half(24, 24, 1);
    for (int x = 0; x < 24; ++x) half.row(3)[x] = 255;
    return half;
  }());
  StyleOptions o = small(folder);
  o.masks = {folder("mask.png")};
  EXPECT_TRUE(
      has(said(o), "mask.png: 20x30 pixels, the content has 48x48: it is stretched to the content's proportions"))
      << said(o);
  o.masks = {folder("half.png")};
  EXPECT_TRUE(has(said(o), "half.png: 24x24 pixels, the content has 48x48: it is scaled")) << said(o);
  o.masks = {folder("black.png")};
  EXPECT_TRUE(has(said(o), "car.png is black everywhere")) << said(o);
}

TEST(BadPictures, LayersThatAreNotThere) {
  const PictureFolder folder;
  StyleOptions o = small(folder);
  o.style_layers = "styel2";
  EXPECT_TRUE(has(said(o), "did you mean \"style2\"")) << said(o);
  o.model.model = "builtin:cifar10";
  o.style_layers = "relu9_9";
  EXPECT_TRUE(has(said(o), "there is no layer \"relu9_9\"") && has(said(o), "; it has conv1.relu")) << said(o);
  o.style_layers = "";
  o.content_layers = "logits";
  EXPECT_TRUE(has(said(o), "logits")) << said(o);
}

// A loss that is no number: the run stops, keeps the last good picture, and names the term.
TEST(BadPictures, ALossThatDiverges) {
  const PictureFolder folder;
  StyleOptions o = small(folder);
  o.preset = "johnson";
  o.steps = 20;
  o.rate = 1e9;
  const std::string text = said(o);
  EXPECT_TRUE(has(text, "of 20 at 48x48 pixels: the term ")) << text;
  EXPECT_TRUE(has(text, " is inf; ") || has(text, " is NaN; ")) << text;
  EXPECT_TRUE(has(text, "out.png holds the last good picture, of step ")) << text;
  EXPECT_EQ(read_image(o.output).width(), 48);
  EXPECT_FALSE(fs::exists(o.output + ".state")) << "there is nothing to go on with";
  const Report report = run({}, o);
  EXPECT_TRUE(report.failed);
  EXPECT_FALSE(report.json->at("finished").get<bool>());
  EXPECT_TRUE(has(report.json->at("trouble").get<std::string>(), "the term "));
  TextureOptions t;
  t.image = folder("car.png");
  t.output = folder("texture.png");
  t.model.model = "random-filters";
  t.engine.tune = "off";
  t.source_size = 48;
  t.optimiser = "adam";
  t.rate = 1e9;
  t.steps = 3;
  std::string notes;
  Context context;
  context.log = [&](std::string_view note) { notes += std::string(note) + "\n"; };
  run(context, t);
  EXPECT_TRUE(has(notes, "the loss has grown, from ")) << notes;
}

TEST(BadPictures, PlacesThatCannotBeWrittenAreSaidBeforeTheWork) {
  const PictureFolder folder;
  const auto refused = [&](const std::string& output) {
    StyleOptions o = small(folder);
    o.output = output;
    const std::string style = said(o);
    DreamOptions dream;
    dream.image = folder("ship.png");
    dream.output = output;
    dream.model.model = "builtin:cifar10";
    EXPECT_EQ(message_of([&] { run({}, dream); }), style);
    return style;
  };
  EXPECT_TRUE(has(refused("none/out.png"), "none/out.png: cannot be written: there is no folder none"));
  EXPECT_TRUE(has(refused(folder("")), "is a folder"));
  EXPECT_TRUE(has(refused(folder("out.gif")), "pictures are written as .png"));
  EXPECT_TRUE(has(refused("/dev/full"), "pictures are written as .png"));
  if (::geteuid() == 0) return;  // who may write everywhere
  fs::create_directory(folder("closed"));
  ::chmod(folder("closed").c_str(), 0555);
  EXPECT_TRUE(has(refused(folder("closed/out.png")), "cannot be written: Permission denied"));
  ::chmod(folder("closed").c_str(), 0755);
}

}  // namespace
}  // namespace fovea
