// Runs of style, texture and dream that are stopped: the picture so far is kept, and going on ends in the same bytes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fovea/base/bytes.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/again.h"
#include "fovea/commands/command_line.h"
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

// A context that cancels after so many reports of progress, and keeps the notes.
struct Stopped {
  std::atomic<bool> cancel{false};
  std::string notes;
  int64_t seen = 0;
  Context context;
  explicit Stopped(int64_t after) {
    cancel = after == 0;
    context.cancel = &cancel;
    context.log = [this](std::string_view note) { notes += std::string(note) + "\n"; };
    context.progress = [this, after](const Progress&) { cancel = ++seen >= after; };
  }
};

// Interrupts a run after so many steps, goes on twice (the second time to the end), and compares with the whole run.
template <class Options>
void stop_and_go_on(Options o, const std::vector<int64_t>& stops) {
  run({}, o);
  const std::string whole = bytes_of(o.output), state = o.output + ".state";
  ASSERT_FALSE(fs::exists(state));
  for (const int64_t stop : stops) {
    fs::remove(o.output);
    o.resume.clear();
    Stopped first(stop);
    run(first.context, o);
    EXPECT_GT(read_image(o.output).width(), 0);
    EXPECT_NE(first.notes.find("--resume " + state), std::string::npos) << first.notes;
    ASSERT_TRUE(fs::exists(state)) << stop;
    // A picture that is not finished is not what its command makes: `again` does not take it for that.
    EXPECT_NE(message_of([&] {
                run({}, AgainOptions{o.output, ""});
              }).find("holds no record"),
              std::string::npos)
        << stop;
    o.resume = state;
    Stopped second(1);
    const Report report = run(second.context, o);
    if (!report.json->at("finished").template get<bool>()) {
      ASSERT_TRUE(fs::exists(state)) << stop;
      run({}, o);
    }
    EXPECT_EQ(bytes_of(o.output), whole) << "after " << stop;
    EXPECT_FALSE(fs::exists(state)) << "nothing is left to go on with";
  }
}

TEST(Resume, StyleByAdamThroughSizes) {
  const PictureFolder folder;
  StyleOptions o = small_style(folder);
  o.first_size = 24;
  o.first_steps = 3;
  stop_and_go_on(o, {0, 1, 3, 5, 7, 9});
}

TEST(Resume, StyleByLbfgs) {
  const PictureFolder folder;
  StyleOptions o = small_style(folder);
  o.preset = "gatys";
  stop_and_go_on(o, {0, 2});
  o.preset = "johnson";
  o.colours = "luminance";
  stop_and_go_on(o, {3});
}

TEST(Resume, Texture) {
  const PictureFolder folder;
  TextureOptions o = small_texture(folder);
  stop_and_go_on(o, {0, 3});
  o.tileable = true;
  o.optimiser = "adam";
  stop_and_go_on(o, {2});
}

TEST(Resume, DreamInEveryOctave) {
  const PictureFolder folder;
  DreamOptions o = small_dream(folder);
  stop_and_go_on(o, {0, 1, 3, 5, 6, 8});
  write_image(folder("guide.png"), draw_scene("airplane", 32, Rng(3)));
  o.guide = folder("guide.png");
  stop_and_go_on(o, {4});
}

TEST(Resume, DreamInTiles) {
  const PictureFolder folder;
  DreamOptions o = small_dream(folder);
  o.size = 160;
  o.octaves = 2;
  o.steps = 2;
  o.tile = 96;
  stop_and_go_on(o, {1, 3});
}

TEST(Resume, DreamOfManyFrames) {
  const PictureFolder folder;
  DreamOptions o = small_dream(folder);
  o.octaves = 2;
  o.steps = 2;
  o.zoom_frames = 2;
  o.save = folder("frames");
  run({}, o);
  const std::string whole = bytes_of(o.output), middle = bytes_of(folder("frames/frame-0001.png"));
  for (const int64_t stop : {2, 5, 8, 9}) {
    fs::remove_all(o.save);
    o.resume.clear();
    Stopped first(stop);
    run(first.context, o);
    o.resume = o.output + ".state";
    const Report report = run({}, o);
    EXPECT_EQ(bytes_of(o.output), whole) << stop;
    EXPECT_EQ(bytes_of(folder("frames/frame-0001.png")), middle) << stop;
    EXPECT_EQ(report.files.size(), 4u) << stop;
  }
}

TEST(Resume, WhatAResumedDreamSaysIsOfAllOfIt) {
  const PictureFolder folder;
  DreamOptions o = small_dream(folder);
  const Report whole = run({}, o);
  Stopped first(5);
  run(first.context, o);
  o.resume = o.output + ".state";
  const Report rest = run({}, o);
  ASSERT_EQ(rest.json->at("octaves").size(), 3u);
  for (size_t k = 0; k < 3; ++k)
    for (const char* key : {"width", "values", "mean_gradients", "tiles"})
      EXPECT_EQ(rest.json->at("octaves")[k].at(key), whole.json->at("octaves")[k].at(key)) << k << key;
}

TEST(Resume, WhatDoesNotFitIsRefused) {
  const PictureFolder folder;
  const auto with_state = [&](auto o) {
    Stopped first(1);
    run(first.context, o);
    o.resume = o.output + ".state";
    return o;
  };
  const auto said = [&](const auto& o) { return message_of([&] { run({}, o); }); };
  {
    StyleOptions o = with_state(small_style(folder));
    o.rate = 0.5;
    EXPECT_NE(said(o).find("was made with other settings or pictures"), std::string::npos) << said(o);
    o.rate = 0;
    o.model.model = "builtin:cifar10";
    EXPECT_NE(said(o).find("out.png.state: was made with another network"), std::string::npos) << said(o);
    o.model.model = "random-filters";
    write_image(folder("car.png"), draw_scene("automobile", 48, Rng(7)));
    EXPECT_NE(said(o).find("was made with other settings or pictures"), std::string::npos) << said(o);
    o.resume = folder("ship.png");
    EXPECT_NE(said(o).find("ship.png"), std::string::npos) << said(o);
    o.resume = folder("none.state");
    EXPECT_NE(said(o).find("no such file"), std::string::npos) << said(o);
  }
  DreamOptions o = with_state(small_dream(folder));
  o.seed = 5;
  EXPECT_NE(said(o).find("was made with other settings or pictures"), std::string::npos) << said(o);
  o.seed = 0;
  o.layers = {"conv3.relu"};
  EXPECT_NE(said(o).find("was made with other settings"), std::string::npos) << said(o);
  // One command's state is none of another's.
  StyleOptions s = small_style(folder);
  s.resume = o.resume;
  EXPECT_NE(said(s).find("is no state of a picture that fovea was making"), std::string::npos) << said(s);
  s.resume.clear();
  s.output = folder("style.png");
  s = with_state(s);
  DreamOptions d = small_dream(folder);
  d.resume = s.resume;
  EXPECT_NE(said(d).find("is no state of a dream"), std::string::npos) << said(d);
  // Cut short, or with a byte changed.
  const std::string whole = bytes_of(s.resume);
  d.resume = folder("cut.state");
  write_file(d.resume, std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_NE(said(d).find("cut.state"), std::string::npos) << said(d);
  s.resume = folder("changed.state");
  std::string changed = whole;
  changed[changed.size() - 5] ^= 1;
  write_file(s.resume, std::string_view(changed));
  EXPECT_NE(said(s).find("changed.state"), std::string::npos) << said(s);
}

TEST(Resume, PicturesOnTheWay) {
  const PictureFolder folder;
  StyleOptions o = small_style(folder);
  o.steps = 5;
  o.first_steps = 5;
  o.save_every = 2;
  const Report report = run({}, o);
  ASSERT_EQ(report.json->at("pictures_on_the_way").size(), 2u);
  EXPECT_EQ(report.files.size(), 3u);
  EXPECT_FALSE(fs::exists(o.output + ".state"));
  o.save_every = 0;
  o.steps = o.first_steps = 4;
  o.output = folder("four.png");
  run({}, o);
  EXPECT_EQ(read_image(folder("out_4.png")), read_image(folder("four.png")));
  EXPECT_NE(read_image(folder("out_2.png")), read_image(folder("four.png")));
  EXPECT_NE(message_of([&] {
              run({}, AgainOptions{folder("out_2.png"), ""});
            }).find("holds no record"),
            std::string::npos);
  const TextPairs texts = png_text(Bytes::map(folder("out_2.png")));
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_NE(texts[0].second.find("after 2 of 5 steps"), std::string::npos) << texts[0].second;
}

// The command that a stopped run says to go on with, as words.
std::vector<std::string> resume_words(const std::string& notes, const std::string& after) {
  const size_t at = notes.find(after);
  EXPECT_NE(at, std::string::npos) << notes;
  std::istringstream line(notes.substr(at + after.size(), notes.find('\n', at) - at - after.size()));
  std::vector<std::string> words;
  for (std::string word; line >> word;) words.push_back(word);
  return words;
}

// Its line sets every option as the run had it: those that change the picture, and those that say which files come.
template <class Options>
void line_says_all(Options o, const std::string& command) {
  Stopped first(1);
  run(first.context, o);
  const std::vector<std::string> words = resume_words(first.notes, "to go on: ");
  ASSERT_GT(words.size(), 2u) << first.notes;
  EXPECT_EQ(words[0], "fovea");
  EXPECT_EQ(words[1], command);
  Options typed, defaults;
  set_options(describe(typed), std::span(words).subspan(2));
  EXPECT_EQ(typed.resume, o.output + ".state");
  EXPECT_EQ(arguments_of(describe(typed), describe(defaults)), arguments_of(describe(o), describe(defaults)));
  EXPECT_EQ(placements_of(describe(typed), describe(defaults)), placements_of(describe(o), describe(defaults)));
  run({}, typed);
  EXPECT_FALSE(fs::exists(o.output + ".state"));
}

TEST(Resume, TheLineThatGoesOnSaysEveryOption) {
  const PictureFolder folder;
  StyleOptions s = small_style(folder);
  s.save_every = 3;
  s.report = folder("out.html");
  s.colours = "luminance";
  line_says_all(s, "style");
  EXPECT_TRUE(fs::exists(folder("out_3.png")));
  EXPECT_TRUE(fs::exists(s.report));
  TextureOptions t = small_texture(folder);
  t.save_every = 2;
  t.report = folder("texture.html");
  t.keep_weights = true;
  line_says_all(t, "texture");
  EXPECT_TRUE(fs::exists(folder("out_4.png")));
  DreamOptions d = small_dream(folder);
  d.preview_every = 1000;
  d.profile = true;
  d.report = folder("dream.html");
  line_says_all(d, "dream");
}

TEST(Resume, TheThreadsAreThoseItWasBegunWith) {
  const PictureFolder folder;
  const auto with = [&](auto o) {
    const int before = thread_count();
    set_thread_count(1);
    run({}, o);
    const std::string whole = bytes_of(o.output);
    Stopped first(2);
    run(first.context, o);
    set_thread_count(2);
    o.resume = o.output + ".state";
    Stopped never(100000);
    run(never.context, o);
    EXPECT_EQ(thread_count(), 2);
    set_thread_count(before);
    EXPECT_NE(never.notes.find("with 1 thread, as it was begun"), std::string::npos) << never.notes;
    EXPECT_EQ(bytes_of(o.output), whole);
  };
  with(small_style(folder));
  with(small_texture(folder));
  with(small_dream(folder));
}

TEST(Resume, APictureOnTheWayThatCannotBeWrittenStopsNothing) {
  const PictureFolder folder;
  fs::create_directory(folder("out_2.png"));
  StyleOptions o = small_style(folder);
  o.save_every = 2;
  Stopped never(1000);
  const Report report = run(never.context, o);
  EXPECT_NE(never.notes.find("out_2.png"), std::string::npos) << never.notes;
  EXPECT_NE(never.notes.find("the work goes on without it"), std::string::npos) << never.notes;
  EXPECT_TRUE(report.json->at("finished").get<bool>());
  EXPECT_EQ(report.json->at("pictures_on_the_way").size(), 2u) << "of 8 steps: 4 and 6";
  EXPECT_EQ(read_image(o.output).width(), 48);
}

}  // namespace
}  // namespace fovea
