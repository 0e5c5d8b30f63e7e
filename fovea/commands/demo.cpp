#include "fovea/commands/demo.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fovea/commands/demo_page.h"
#include "fovea/commands/demo_pictures.h"
#include "fovea/commands/demo_training.h"
#include "fovea/commands/inspect.h"
#include "fovea/data/drawn.h"
#include "fovea/data/drawn_glyphs.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "fovea/model/stated_test.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(DemoOptions& o) {
  return {{"-o,--output", "DIR", "the folder for the pages", &o.output},
          {"--train", "", "first train a small network on drawn shapes, and look into that one too", &o.train},
          {"--steps", "N", "steps of that training", &o.steps, false, {}, 1, 100000},
          {"--seed", "N", "another seed: other pictures, another training", &o.seed, false, {}, 0, 1e9}};
}

namespace {

constexpr int kDreamSide = 448;  // of the pictures that are made from photographs, longest side in pixels

// The pictures that networks make, with a line of text and an entry of the JSON each.
std::vector<DemoPicture> add_pictures(const Context& context, Report& report, nlohmann::ordered_json& json,
                                      const DemoSource& source) {
  std::vector<DemoPicture> pictures = demo_pictures(context, source);
  json["pictures"] = nlohmann::ordered_json::array();
  for (const DemoPicture& picture : pictures) {
    const fs::path file = source.folder / picture.file;
    report.files.push_back(file);
    report.text += fmt::format("{}: {}\n", printable(picture.heading), coloured(file.string(), Ink::cyan));
    json["pictures"].push_back({{"heading", picture.heading}, {"file", file.string()}});
  }
  return pictures;
}

// A real network and photographs, where FOVEA_DATA has them.
bool real_demo(const Context& context, const DemoOptions& options, Report& report) {
  const char* folder = std::getenv("FOVEA_DATA");
  if (!folder || options.train) return false;
  const fs::path network = fs::path(folder) / "weights/squeezenet1.1_onnx/model.onnx",
                 pictures = fs::path(folder) / "imagenet/images";
  std::error_code error;
  if (!fs::exists(network, error) || !fs::is_directory(pictures, error)) {
    context.note(
        fmt::format("FOVEA_DATA is {}, which holds no weights/squeezenet1.1_onnx and imagenet/images", folder));
    return false;
  }
  InspectOptions inspect;
  inspect.model = {.model = network.string(), .preprocess = "torchvision", .labels = "imagenet"};
  const std::vector<fs::path> files = picture_paths({pictures.string()});
  inspect.image = files[static_cast<size_t>(options.seed) % files.size()].string();
  for (const fs::path& file : files)  // a picture that shows a lot, unless a seed asks for another
    if (options.seed == DemoOptions().seed && file.filename().string().find("monarch") != std::string::npos)
      inspect.image = file.string();
  inspect.output = options.output;
  report = run(context, inspect);
  nlohmann::ordered_json json = *report.json;
  add_pictures(context, report, json,
               {options.output, inspect.image, fs::path(inspect.image).filename().string(), "", kDreamSide});
  report.set_json(json);
  return true;
}

constexpr int kDrawnSide = 256;  // of the pictures for the networks that fovea carries, in pixels

// What a carried network says of itself: what it is, how good it is, and how it was made.
std::string said_of(const Meaning& meaning, const std::string& recipe) {
  std::string text = meaning.description + ".";
  if (const auto test = stated_test(meaning))
    text += fmt::format(" It is wrong on {} of the {} pictures of its test set: {:.2f} % right.", test->errors,
                        test->count, 100 * test->accuracy());
  return text + fmt::format(" Made by {}.", recipe);
}

DemoEntry carried(const Context& context, const std::string& name, const std::string& heading, Image picture,
                  const std::string& picture_name) {
  DemoEntry entry;
  entry.folder = name;
  entry.heading = heading;
  entry.model = open(context, {.model = "builtin:" + name});
  entry.description = said_of(entry.model.meaning, fmt::format("recipes/builtin-{}.toml", name));
  entry.picture = std::move(picture);
  entry.picture_name = picture_name;
  return entry;
}

// One of a few, chosen by the seed; the first of them for the default one.
size_t chosen(uint64_t seed, size_t count) {
  return static_cast<size_t>((seed + count - static_cast<uint64_t>(DemoOptions().seed) % count) % count);
}

std::vector<DemoEntry> carried_entries(const Context& context, uint64_t seed) {
  const Rng rng = Rng(seed).fork("demo");
  static const std::vector<std::string> kThings = {"ship", "airplane", "automobile"};
  static constexpr int64_t kDigits[] = {2, 7, 4, 9, 5, 8, 3, 6, 0, 1};
  const std::string& thing = kThings[chosen(seed, kThings.size())];
  const int64_t digit = kDigits[chosen(seed, std::size(kDigits))];
  std::vector<DemoEntry> entries;
  entries.push_back(carried(context, "cifar10", "Things", draw_scene(thing, kDrawnSide, rng.fork("scene")),
                            fmt::format("a drawn {}", thing)));
  entries.push_back(carried(context, "digits", "Digits",
                            draw_glyph(digit, {.size = kDrawnSide, .vary = 0.6, .noise = 0}, rng.fork("digit")),
                            fmt::format("a drawn {}", digit)));
  return entries;
}

DemoEntry shapes_entry(const Context& context, const DemoOptions& options) {
  const auto seed = static_cast<uint64_t>(options.seed);
  TrainedShapes trained = train_on_shapes(context, options.steps, seed);
  constexpr int64_t kStar = 5;
  DemoEntry entry;
  entry.folder = "shapes";
  entry.heading = "Shapes";
  entry.description = fmt::format(
      "A small network that was trained here and now, {} steps of {} drawn pictures. Of {} shapes that it "
      "had not seen it got {:.1f} % right.",
      options.steps, kShapesBatch, trained.count,
      100 * (1 - static_cast<double>(trained.errors) / static_cast<double>(trained.count)));
  entry.picture = draw_shape(kStar, kShapesSide, Rng(seed).fork("shown"));
  entry.picture_name = "a drawn " + trained.model.meaning.classes[kStar];
  entry.model = std::move(trained.model);
  return entry;
}

// Looks into one network: its own page in its own folder. Returns what is said of it.
Report look_into(const Context& context, DemoEntry& entry, const fs::path& folder) {
  InspectOptions inspect;
  inspect.output = (folder / entry.folder).string();
  inspect.top = std::min<int64_t>(6, static_cast<int64_t>(entry.model.meaning.classes.size()));
  Report report = inspect_to_folder(context, entry.model, entry.picture, entry.picture_name, inspect);
  for (const auto& guess : report.json->at("guesses"))
    entry.guesses.push_back({guess.at("class"), guess.at("name"), guess.at("probability"), guess.at("score")});
  return report;
}

}  // namespace

Report run(const Context& context, const DemoOptions& options) {
  require_writable_folder(options.output);
  Report report;
  if (real_demo(context, options, report)) return report;
  const fs::path folder = options.output;
  std::vector<DemoEntry> entries;
  if (options.train) entries.push_back(shapes_entry(context, options));
  for (DemoEntry& entry : carried_entries(context, static_cast<uint64_t>(options.seed)))
    entries.push_back(std::move(entry));
  nlohmann::ordered_json json = {{"networks", nlohmann::ordered_json::array()}};
  for (DemoEntry& entry : entries) {
    const Report one = look_into(context, entry, folder);
    report.files.insert(report.files.end(), one.files.begin(), one.files.end());
    const Guess& best = entry.guesses[0];
    report.text +=
        fmt::format("{}: {}\n  {} in {} ({:.1f} %)\n", coloured(entry.model.meaning.name, Ink::bold), entry.description,
                    coloured(printable(best.name), Ink::bold), entry.picture_name, best.probability * 100);
    json["networks"].push_back(*one.json);
  }
  const DemoEntry& thing = entries[entries.size() - 2];  // of the two that fovea carries; before them what was trained
  const fs::path drawn = folder / "drawn.png";
  writing([&] { write_image(drawn, thing.picture); });
  const std::vector<DemoPicture> pictures =
      add_pictures(context, report, json, {folder, drawn.string(), thing.picture_name, "builtin:cifar10", kDrawnSide});
  const fs::path page = folder / "index.html";
  const std::string html = demo_page(entries, pictures);
  writing([&] { write_file(page, std::string_view(html)); });
  report.files.push_back(page);
  report.text += fmt::format("the page: {}\n", coloured(page.string(), Ink::cyan));
  json["page"] = page.string();
  report.set_json(json);
  return report;
}

Command demo_command() {
  return make_command<DemoOptions>(
      "demo", "looks inside trained networks that fovea carries",
      "Draws a picture of a thing and one of a digit, lets the networks builtin:cifar10 and builtin:digits guess what "
      "they show, writes pages that show what is inside them, and lets one of them dream: no data and no connection "
      "are needed. With --train "
      "it also trains a small network on drawn shapes, which takes well under a minute. With FOVEA_DATA set to a "
      "folder that holds SqueezeNet 1.1 and photographs, and without --train, inspects one of those photographs.",
      {{"fovea demo", "then open fovea-demo/index.html"},
       {"fovea demo --train --seed 7 -o shapes", "other pictures, and a network trained on the spot"}},
      run);
}

}  // namespace fovea
