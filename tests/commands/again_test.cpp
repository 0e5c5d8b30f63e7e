// The record in a picture's file, and `again`: the same bytes, or what has changed since.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/again.h"
#include "fovea/commands/doctor.h"
#include "fovea/commands/invert.h"
#include "fovea/commands/maximise.h"
#include "fovea/commands/picture_record.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/temporary_folder.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const std::string& path) { return std::string(Bytes::map(path).view()); }

MaximiseOptions small(const std::string& output) {
  MaximiseOptions o;
  o.model.model = "builtin:digits";
  o.units = {"conv1:0", "conv1:3"};
  o.output = output;
  o.settings.steps = 5;
  o.seed = 7;
  return o;
}

// The same picture with another record.
void rewrite(const std::string& from, const std::string& to, const std::function<void(PictureRecord&)>& change) {
  PictureRecord record = read_picture_record(Bytes::map(from));
  change(record);
  write_image(to, read_image(from), record_text(record, "changed", record.part));
}

TEST(CommandLine, ArgumentsAreThoseThatDiffer) {
  MaximiseOptions o = small("out.png"), defaults;
  o.settings.preset = "natural";
  o.settings.jitter = -0.1;
  o.neuron = true;
  o.profile = true;
  o.save = "folder";
  const auto arguments = arguments_of(describe(o), describe(defaults));
  EXPECT_EQ(arguments,
            (std::vector<std::string>{"builtin:digits", "--units", "conv1:0", "--units", "conv1:3", "--preset",
                                      "natural", "--neuron", "--steps", "5", "--jitter", "-0.1", "--seed", "7"}));
  MaximiseOptions back;
  set_options(describe(back), arguments);
  EXPECT_EQ(arguments_of(describe(back), describe(defaults)), arguments);
  EXPECT_EQ(back.settings.jitter, -0.1);
  EXPECT_EQ(back.units, o.units);
  EXPECT_TRUE(back.output.empty());
  EXPECT_EQ(shell_line(std::vector<std::string>{"dream", "my cat's.jpg", "--jitter", "-0.1", "--objective", "-2*a(b)"}),
            "dream 'my cat'\\''s.jpg' --jitter=-0.1 --objective='-2*a(b)'");
}

TEST(CommandLine, WrongOnesAreNamed) {
  MaximiseOptions o;
  const OptionList list = describe(o);
  const auto set = [&](std::vector<std::string> a) { return message_of([&] { set_options(list, a); }); };
  EXPECT_EQ(set({"m", "--setps", "5"}), "unknown option --setps; did you mean \"--steps\"?");
  EXPECT_EQ(set({"m", "--steps", "five"}), "--steps: expected a number, got \"five\"");
  EXPECT_NE(set({"m", "--steps", "-5"}).find("not in the range"), std::string::npos);
  EXPECT_EQ(set({"m", "--steps"}), "--steps: its value is missing");
  EXPECT_EQ(set({"m", "n"}), "too many arguments: n");
  EXPECT_NE(set({"m", "--preset", "furier"}).find("did you mean \"fourier\"?"), std::string::npos);
}

TEST(AgainCommand, TheSameBytes) {
  const TemporaryFolder folder;
  run({}, small(folder("a.png")));
  const PictureRecord record = read_picture_record(Bytes::map(folder("a.png")));
  EXPECT_EQ(record.seed, 7u);
  EXPECT_EQ(record.version, version());
  EXPECT_EQ(record.model_hash.size(), 64u);
  EXPECT_FALSE(record.plans.empty());
  const Report report = run({}, AgainOptions{folder("a.png"), ""});
  EXPECT_FALSE(report.failed) << report.text;
  EXPECT_TRUE(report.json->at("same_bytes").get<bool>());
  EXPECT_EQ(bytes_of(folder("a.png")), bytes_of(folder("a-again.png")));
}

TEST(AgainCommand, ThePlanInTheFileIsFollowed) {
  const TemporaryFolder folder;
  // Level 0 computes in another way; the record says that it was so.
  MaximiseOptions o = small(folder("a.png"));
  o.engine.level = 0;
  run({}, o);
  EXPECT_FALSE(run({}, AgainOptions{folder("a.png"), folder("b.png")}).failed);
  // A plan that does not belong to the network is refused, not passed over.
  rewrite(folder("a.png"), folder("c.png"), [](PictureRecord& r) {
    for (std::string& plan : r.plans) plan = plan.substr(0, plan.find("\nstep") + 1);
  });
  EXPECT_NE(message_of([&] {
              run({}, AgainOptions{folder("c.png"), folder("d.png")});
            }).find("the plan has"),
            std::string::npos);
}

TEST(AgainCommand, OneOfManyPictures) {
  const TemporaryFolder folder;
  MaximiseOptions o = small(folder("a.png"));
  o.save = folder("parts");
  const Report made = run({}, o);
  const std::string part = made.files[1].string();
  const Report report = run({}, AgainOptions{part, folder("again.png")});
  EXPECT_FALSE(report.failed) << report.text;
  EXPECT_EQ(bytes_of(part), bytes_of(folder("again.png")));
}

TEST(AgainCommand, WhatHasChangedIsSaid) {
  const TemporaryFolder folder;
  InvertOptions o;
  o.model.model = "builtin:digits";
  o.image = folder("ship.png");
  o.layers = {"conv2"};
  o.settings.steps = 3;
  o.output = folder("a.png");
  write_image(o.image, draw_scene("ship", 28, Rng(1)));
  run({}, o);
  EXPECT_FALSE(run({}, AgainOptions{folder("a.png"), folder("b.png")}).failed);
  write_image(o.image, draw_scene("ship", 28, Rng(2)));
  const std::string said = message_of([&] { run({}, AgainOptions{folder("a.png"), folder("b.png")}); });
  EXPECT_NE(said.find("ship.png has changed: its SHA-256 was "), std::string::npos) << said;
  const Report other = run({}, AgainOptions{folder("a.png"), folder("b.png"), true});
  EXPECT_TRUE(other.failed);
  EXPECT_GT(other.json->at("different_samples").get<int64_t>(), 0);
  // Another network, another version.
  std::string notes;
  Context context;
  context.log = [&](std::string_view note) { notes += std::string(note) + "\n"; };
  run({}, small(folder("m.png")));
  rewrite(folder("m.png"), folder("n.png"), [](PictureRecord& r) {
    r.model_hash = std::string(64, '0');
    r.version = "0.0.1";
  });
  const Report network = run(context, AgainOptions{folder("n.png"), folder("b.png")});
  EXPECT_TRUE(network.failed);
  EXPECT_NE(network.text.find("the SHA-256 of its weights was 000000000000…"), std::string::npos) << network.text;
  EXPECT_NE(notes.find("made by fovea 0.0.1"), std::string::npos) << notes;
}

TEST(AgainCommand, WhatIsRefused) {
  const TemporaryFolder folder;
  write_image(folder("plain.png"), draw_scene("ship", 16, Rng(1)));
  const auto said = [&](const AgainOptions& o) { return message_of([&] { run({}, o); }); };
  EXPECT_NE(said({folder("plain.png"), ""}).find("holds no record of how it was made"), std::string::npos);
  write_image(folder("plain.jpg"), draw_scene("ship", 16, Rng(1)));
  EXPECT_NE(said({folder("plain.jpg"), ""}).find("not a PNG"), std::string::npos);
  EXPECT_NE(said({folder("plian.png"), ""}).find("did you mean \"plain.png\""), std::string::npos);
  run({}, small(folder("a.png")));
  rewrite(folder("a.png"), folder("b.png"), [](PictureRecord& r) { r.command[0] = "paint"; });
  EXPECT_NE(said({folder("b.png"), ""}).find("the command \"paint\""), std::string::npos);
  rewrite(folder("a.png"), folder("c.png"), [](PictureRecord& r) { r.threads = 0; });
  EXPECT_NE(said({folder("c.png"), ""}).find("damaged"), std::string::npos);
  // What a stranger's picture could ask for: other commands, and files in other places.
  rewrite(folder("a.png"), folder("d.png"), [&](PictureRecord& r) {
    r.command = {"convert", "builtin:digits", "--output", folder("model.onnx")};
  });
  EXPECT_NE(said({folder("d.png"), ""}).find("\"convert\" makes no pictures with a record"), std::string::npos);
  for (const char* option : {"--save", "--output"}) {
    rewrite(folder("a.png"), folder("e.png"), [&](PictureRecord& r) {
      r.command.insert(r.command.end(), {option, folder("elsewhere.png")});
    });
    EXPECT_NE(said({folder("e.png"), ""}).find(std::string("it says ") + option), std::string::npos) << option;
  }
  EXPECT_FALSE(fs::exists(folder("model.onnx")));
  EXPECT_FALSE(fs::exists(folder("elsewhere.png")));
}

}  // namespace
}  // namespace fovea
