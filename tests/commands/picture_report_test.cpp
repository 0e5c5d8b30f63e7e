// The commands style and texture on random filters: files, pages, a run that is stopped and goes on, and what is
// refused.
#include "fovea/commands/style.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/commands/again.h"
#include "fovea/commands/texture.h"
#include "fovea/data/drawn_painting.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/commands/picture_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

struct Folder : PictureFolder {
  Folder() { write_image((*this)("painting.png"), draw_painting(48, Rng(2))); }
};

StyleOptions style_with_page(const Folder& folder) {
  StyleOptions o = small_style(folder);
  o.styles = {folder("painting.png")};
  o.first_size = 30;
  o.first_steps = 4;
  o.steps = 6;
  o.report = folder("out.html");
  return o;
}

TextureOptions texture_with_page(const Folder& folder) {
  TextureOptions o = small_texture(folder);
  o.image = folder("painting.png");
  o.report = folder("out.html");
  return o;
}

size_t count(const std::string& text, const std::string& piece) {
  size_t n = 0;
  for (size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++n;
  return n;
}

// Stops the command once so many steps of its size are reported.
template <class Options>
Report stopped(const Options& options, int64_t steps, const std::string& size) {
  std::atomic<bool> cancel{false};
  Context context;
  context.cancel = &cancel;
  context.progress = [&](const Progress& p) { cancel = cancel || (p.what == size && p.done == steps); };
  return run(context, options);
}

TEST(StyleCommand, WritesAPictureAndAPage) {
  const Folder folder;
  const StyleOptions o = style_with_page(folder);
  const Report report = run({}, o);
  EXPECT_EQ(report.files, (std::vector<fs::path>{o.output, o.report}));
  EXPECT_TRUE(report.json->at("finished").get<bool>());
  EXPECT_EQ(report.json->at("stages").at(0).at("loss").size(), 4u);
  EXPECT_EQ(report.json->at("stages").at(1).at("loss").size(), 6u);
  EXPECT_EQ(read_image(o.output).width(), 48);
  EXPECT_FALSE(run({}, AgainOptions{o.output, folder("again.png")}).failed);
  const std::string page = bytes_of(o.report);
  EXPECT_EQ(count(page, "class=\"compare\""), 1u);
  EXPECT_EQ(count(page, "class=\"end\""), 7u) << "the names of five styles, content and variation at their lines' ends";
  EXPECT_TRUE(has(page, ">48 px<")) << "where the second size begins";
  EXPECT_TRUE(has(page, "first at 34 × 34"));
  EXPECT_TRUE(has(page, report.json->at("model").get<std::string>()));
  EXPECT_TRUE(has(page, "<pre>fovea style " + o.content + " " + o.styles[0] + " --size 48")) << "the line to repeat it";
  EXPECT_TRUE(has(page, "SHA-256 of painting.png"));
  EXPECT_FALSE(has(page, "class=\"card notice\""));
  EXPECT_EQ(page.find("http"), page.find("http://www.w3.org")) << "nothing is asked of a network";
}

TEST(StyleCommand, AStoppedRunSaysHowItGoesOnAndItsPageIsThenWhole) {
  const Folder folder;
  StyleOptions o = style_with_page(folder);
  const Report whole = run({}, o);
  const std::string picture = bytes_of(o.output);
  const Report part = stopped(o, 2, "48x48");
  EXPECT_FALSE(part.json->at("finished").get<bool>());
  const std::string page = bytes_of(o.report), state = o.output + ".state";
  EXPECT_TRUE(has(page, "Stopped after step 6 of 10"));
  EXPECT_TRUE(has(page, " --report " + o.report + " --resume " + state)) << page.substr(page.find("notice"), 600);
  EXPECT_TRUE(has(page, "<td class=\"number\">2 of 6</td>"));
  o.resume = state;
  const Report rest = run({}, o);
  EXPECT_EQ(bytes_of(o.output), picture);
  EXPECT_FALSE(has(bytes_of(o.report), "class=\"card notice\""));
  for (const size_t stage : {0u, 1u})
    EXPECT_EQ(rest.json->at("stages").at(stage).at("loss"), whole.json->at("stages").at(stage).at("loss"));
  EXPECT_FALSE(fs::exists(state));
}

TEST(StyleCommand, StoppedBeforeTheFirstStepThereIsAPageToo) {
  const Folder folder;
  const StyleOptions o = style_with_page(folder);
  std::atomic<bool> cancel{true};
  Context context;
  context.cancel = &cancel;
  EXPECT_FALSE(run(context, o).json->at("finished").get<bool>());
  EXPECT_TRUE(has(bytes_of(o.report), "Stopped after step 0 of 10"));
}

TEST(StyleCommand, ThePageIsWrittenOnTheWay) {
  const Folder folder;
  StyleOptions o = style_with_page(folder);
  o.save_every = 3;
  std::string page;
  Context context;
  context.progress = [&](const Progress& p) {
    if (p.what == "34x34" && p.done == 4) page = bytes_of(o.report);
  };
  const Report report = run(context, o);
  EXPECT_TRUE(has(page, "Under way: this is the picture after step 3 of 10"));
  EXPECT_FALSE(has(bytes_of(o.report), "Under way"));
  EXPECT_EQ(report.files.back(), o.report);
}

TEST(StyleCommand, WhatCannotBecomeAPageIsRefusedBeforeTheWork) {
  const Folder folder;
  StyleOptions o = style_with_page(folder);
  o.report = folder("out.png");
  EXPECT_TRUE(has(message_of([&] { run({}, o); }), "expected the name of an .html file"));
  o.report = folder("nowhere/out.html");
  EXPECT_TRUE(has(message_of([&] { run({}, o); }), "there is no folder"));
  o.report.clear();
  o.open = true;
  EXPECT_TRUE(has(message_of([&] { run({}, o); }), "--open shows the page that --report FILE.html names"));
  TextureOptions t = texture_with_page(folder);
  t.report = folder("out.txt");
  EXPECT_TRUE(has(message_of([&] { run({}, t); }), "expected the name of an .html file"));
  EXPECT_FALSE(fs::exists(o.output));
}

TEST(TextureCommand, ThePageShowsTheSourceBesideTheResultAndFourTiles) {
  const Folder folder;
  TextureOptions o = texture_with_page(folder);
  const Report report = run({}, o);
  EXPECT_EQ(report.files, (std::vector<fs::path>{o.output, o.report}));
  const std::string plain = bytes_of(o.report);
  EXPECT_FALSE(has(plain, "class=\"compare\""));
  EXPECT_EQ(count(plain, "<figcaption>"), 2u);
  EXPECT_TRUE(has(plain, "<pre>fovea texture "));
  o.tileable = true;
  run({}, o);
  const std::string tiled = bytes_of(o.report);
  EXPECT_EQ(count(tiled, "<figcaption>"), 3u);
  EXPECT_TRUE(has(tiled, "--tileable"));
}

TEST(TextureCommand, AStoppedRunGoesOn) {
  const Folder folder;
  TextureOptions o = texture_with_page(folder);
  const Report whole = run({}, o);
  const std::string picture = bytes_of(o.output);
  stopped(o, 2, "48x48");
  EXPECT_TRUE(has(bytes_of(o.report), "Stopped after step 2 of 5"));
  o.resume = o.output + ".state";
  const Report rest = run({}, o);
  EXPECT_EQ(bytes_of(o.output), picture);
  EXPECT_EQ(rest.json->at("stages").at(0).at("loss"), whole.json->at("stages").at(0).at("loss"));
}

TEST(TextureCommand, TheLadderHasAPageWithACurveForEachRung) {
  const Folder folder;
  TextureOptions o = texture_with_page(folder);
  o.layers = "all";
  o.steps = 2;
  const Report report = run({}, o);
  const size_t rungs = report.json->at("ladder").size();
  ASSERT_GE(rungs, 2u);
  const std::string page = bytes_of(o.report);
  EXPECT_EQ(count(page, "class=\"end\""), rungs);
  EXPECT_FALSE(has(page, "class=\"card notice\""));
}

}  // namespace
}  // namespace fovea
