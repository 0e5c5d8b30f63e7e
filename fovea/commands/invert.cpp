#include "fovea/commands/invert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_record.h"
#include "fovea/commands/step_profile.h"
#include "fovea/compile/plan_book.h"
#include "fovea/image/codec.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/picture_plate.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(InvertOptions& o) {
  const OptionList model = describe(o.model);
  InversionSettings& s = o.settings;
  return OptionList{
             model[0],
             {"IMAGE", "", "the picture", &o.image, true},
             {"-o,--output", "FILE", "the sheet, a .png, .jpg or .ppm file", &o.output, true},
             {"--layer,--layers", "NAME",
              "the layer whose answer is inverted; log-probabilities: what is said of the classes; all: the ladder "
              "from the first layer to those (may be repeated)",
              &o.layers},
             {"--preset", "NAME", "how", &s.preset, false, inversion_presets()},
             {"--starts",
              "N",
              "pictures from different random starts; 0: four of a layer, one of several layers",
              &s.starts,
              false,
              {},
              0,
              64},
             {"--steps", "N", "steps of the descent; 0: the preset's (400, 350, 200)", &s.steps, false, {}, 0, 1e6},
             {"--strength",
              "X",
              "weight of the code against the penalties; 0: the preset's, by depth",
              &s.strength,
              false,
              {},
              0,
              1e12},
             {"--tv", "X", "multiplies the weight of the total variation", &s.variation, false, {}, 0, 1e12},
             {"--tv-beta", "X", "its exponent", &s.beta, false, {}, 0.1, 16},
             {"--norm", "X", "multiplies the weight of the α-norm", &s.norm, false, {}, 0, 1e12},
             {"--alpha", "X", "its exponent", &s.alpha, false, {}, 1, 16},
             {"--bound",
              "LEVELS",
              "mahendran2016: no colour further than that from the mean; 0: 160, which makes white a light grey",
              &s.bound,
              false,
              {},
              0,
              10000},
             {"--seed", "N", "other random starts", &o.seed, false, {}, 0, 1e9},
             {"--memory", "MIB", "memory that may be used; 0: 70 % of what is free", &o.memory, false, {}, 0, 1e9},
             {"--columns", "N", "columns of the ladder; 0: by the number of layers", &o.columns, false, {}, 0, 64},
             {"--tile", "N", "longest side of a picture on the sheet; 0: by their number", &o.tile, false, {}, 0, 4096},
             {"--profile", "", "also print which steps of the compiled program take the time", &o.profile},
             {"--save", "DIR", "also write each picture in its own size into this folder", &o.save}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine) + plan_option(o.plan);
}

namespace {

using Json = nlohmann::ordered_json;

struct InvertedLayer {
  CodeLayer layer;
  double strength = 0;
  std::vector<Inverted> pictures;
  std::vector<std::string> files;
  std::string profile;
  Json step;
};

std::vector<CodeLayer> chosen_layers(const Model& model, const InvertOptions& o) {
  require(!o.layers.empty(), ErrorKind::usage,
          "which layer? Give --layer NAME, --layer log-probabilities or --layer all (`fovea layers` lists them)");
  std::vector<CodeLayer> result;
  for (const std::string& name : o.layers) {
    if (name == "all")
      for (CodeLayer& layer : ladder_layers(model)) result.push_back(std::move(layer));
    else result.push_back(code_layer(model, name));
  }
  return result;
}

// Several starts at once need memory for each; fewer are not silently taken.
void check_memory(const Inversion& inversion, const CodeLayer& layer, const InvertOptions& o) {
  const size_t budget = o.memory > 0 ? static_cast<size_t>(o.memory) << 20 : available_memory() / 10 * 7;
  const size_t estimate = inversion.memory_estimate();
  require(
      budget == 0 || estimate <= budget, ErrorKind::usage,
      "layer {}: the starts need about {} of memory together, {} may be used: take fewer (--starts), a smaller input "
      "(--size), or allow more (--memory)",
      layer.name, short_bytes(static_cast<double>(estimate)), short_bytes(static_cast<double>(budget)));
}

std::string percent(double error) { return fmt::format("{:.1f} %", 100 * error); }

std::string decibels(double psnr) { return std::isfinite(psnr) ? fmt::format("{:.1f} dB", psnr) : "equal"; }

int tile_of(const InvertOptions& o, const Image& original, int count) {
  const int largest = std::max(original.width(), original.height());
  const int wanted = o.tile > 0 ? static_cast<int>(o.tile) : count <= 10 ? 224 : 160;
  return o.tile == 0 && largest <= wanted ? largest * std::max(1, wanted / largest) : wanted;
}

// One row a layer, its starts side by side; with one start each, all layers after the original in one ladder.
Plate plate_of(const Model& model, const InvertOptions& o, const Image& original,
               const std::vector<InvertedLayer>& all) {
  Plate plate;
  plate.title = printable(model.meaning.name);
  plate.subtitle =
      fmt::format("inversion, preset {}; percentages: |code of the picture - code| / |code|", o.settings.preset);
  const auto caption = [](const Inverted& p) { return percent(p.error) + ", " + decibels(p.psnr); };
  const bool ladder = all.size() > 1 && all[0].pictures.size() == 1;
  PlatePicture first{original, {"the picture"}};
  if (ladder) {
    std::vector<PlatePicture> pictures = {first};
    for (const InvertedLayer& l : all)
      pictures.push_back({l.pictures[0].image, {l.layer.name, caption(l.pictures[0])}});
    const auto count = static_cast<int>(pictures.size());
    plate.tile = tile_of(o, original, count);
    plate.rows = in_rows(std::move(pictures), o.columns > 0 ? static_cast<int>(o.columns) : plate_columns(count));
    return plate;
  }
  plate.tile = tile_of(o, original, static_cast<int>(all.size() * all[0].pictures.size()));
  for (const InvertedLayer& l : all) {
    PlateRow row{all.size() > 1 ? l.layer.name : "", {first}};
    first.image = {};
    first.lines.clear();
    for (size_t k = 0; k < l.pictures.size(); ++k)
      row.pictures.push_back(
          {l.pictures[k].image,
           {all.size() > 1 ? fmt::format("start {}", k + 1) : fmt::format("{}, start {}", l.layer.name, k + 1),
            caption(l.pictures[k])}});
    plate.rows.push_back(std::move(row));
  }
  return plate;
}

void write_pictures(const InvertOptions& o, std::vector<InvertedLayer>& all, Report& report,
                    const PictureRecord& record, const std::string& caption) {
  make_folder(o.save);
  for (InvertedLayer& l : all)
    for (size_t k = 0; k < l.pictures.size(); ++k) {
      std::string name;
      for (const char c : l.layer.name) name += std::isalnum(static_cast<unsigned char>(c)) || c == '.' ? c : '_';
      l.files.push_back((fs::path(o.save) / fmt::format("{}-{}.png", name, k + 1)).string());
      const std::string part = fs::path(l.files.back()).filename().string();
      writing([&] { write_image(l.files.back(), l.pictures[k].image, record_text(record, caption, part)); });
      report.files.emplace_back(l.files.back());
    }
}

Json json_of(const InvertedLayer& l) {
  Json pictures = Json::array();
  for (size_t k = 0; k < l.pictures.size(); ++k) {
    const Inverted& p = l.pictures[k];
    Json j = {{"error", p.error}, {"squared_error", p.error * p.error}};
    j["psnr"] = std::isfinite(p.psnr) ? Json(p.psnr) : Json(nullptr);
    j["loss_at_start"] = p.loss.front();
    j["loss_at_end"] = p.loss.back();
    if (k < l.files.size()) j["file"] = l.files[k];
    pictures.push_back(std::move(j));
  }
  return {{"layer", l.layer.name},
          {"node", l.layer.node},
          {"strength", l.strength},
          {"step", l.step},
          {"pictures", pictures}};
}

Table table_of(const std::vector<InvertedLayer>& all) {
  Table table({{"layer"}, {"error", true}, {"PSNR", true}, {"loss", true}});
  for (const InvertedLayer& l : all)
    for (const Inverted& p : l.pictures)
      table.add({printable(l.layer.name), percent(p.error), decibels(p.psnr),
                 fmt::format("{:.4g} to {:.4g}", p.loss.front(), p.loss.back())});
  return table;
}

std::vector<InvertedLayer> inverted_layers(const Context& context, const Model& model, const Engine& engine,
                                           const Image& fitted, const InvertOptions& o) {
  const std::vector<CodeLayer> layers = chosen_layers(model, o);
  InversionSettings settings = o.settings;
  if (settings.starts == 0) settings.starts = layers.size() > 1 ? 1 : 4;
  std::vector<InvertedLayer> result;
  for (const CodeLayer& layer : layers) {
    Inversion inversion(model, layer, settings);
    check_memory(inversion, layer, o);
    Context inner = context;
    inner.progress = [&](const Progress& p) {
      const auto each = std::max<int64_t>(1, p.total), done = static_cast<int64_t>(result.size()) * each;
      context.report({layer.name, done + p.done, each * static_cast<int64_t>(layers.size()), p.detail});
    };
    std::vector<Inverted> pictures = inversion(inner, fitted, *engine.backend, engine.compile_options);
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    result.push_back({layer,
                      inversion.plan().strength,
                      std::move(pictures),
                      {},
                      o.profile ? step_profile(inversion.program()) : "",
                      step_json(inversion.program(), inversion.step_seconds())});
  }
  return result;
}

// Layers whose loss fell by more than a tenth in the last quarter of the steps: their pictures are not finished. Only
// of L-BFGS, whose loss never rises; other rules end with steps that are meant to be smaller.
std::string unfinished_text(const InvertOptions& o, const std::vector<InvertedLayer>& all) {
  if (o.settings.preset != "lbfgs") return {};
  std::string names;
  for (const InvertedLayer& l : all)
    for (const Inverted& p : l.pictures) {
      if (p.loss.size() < 20) continue;
      if (p.loss.back() >= 0.9f * p.loss[p.loss.size() - 1 - p.loss.size() / 4]) continue;
      names += (names.empty() ? "" : ", ") + printable(l.layer.name);
      break;
    }
  if (names.empty()) return {};
  return "the loss was still falling when the steps ended: " + names + "; more come nearer (--steps)\n";
}

}  // namespace

Report run(const Context& outer, const InvertOptions& o) {
  require_file(o.image, "a picture");
  require_picture_output(o.output);
  if (!o.save.empty()) require_writable_folder(o.save);
  const PlanBook book(plans_to_follow(o.plan));
  Context context = outer;
  context.seed = static_cast<uint64_t>(o.seed);
  const Model model = open(context, o.model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const Image fitted = fit_picture(read_image(o.image), *model.meaning.preprocess);
  const Engine engine(o.engine);
  std::vector<InvertedLayer> all = inverted_layers(context, model, engine, fitted, o);
  const PictureRecord record = picture_record("invert", o, model, {o.image});
  const std::string caption =
      fmt::format("inversion of {}: preset {}, seed {}", printable(model.meaning.name), o.settings.preset, o.seed);
  Report report;
  if (!o.save.empty()) write_pictures(o, all, report, record, caption);
  writing([&] { write_image(o.output, draw_plate(plate_of(model, o, fitted, all)), record_text(record, caption)); });
  report.files.emplace_back(o.output);
  report.text = table_of(all).text() + unfinished_text(o, all) + "wrote " + o.output + "\n";
  for (const InvertedLayer& l : all)
    if (!l.profile.empty()) report.text += "\n" + printable(l.layer.name) + "\n" + l.profile;
  Json layers = Json::array();
  for (const InvertedLayer& l : all) layers.push_back(json_of(l));
  report.set_json({{"model", printable(model.meaning.name)},
                   {"image", o.image},
                   {"preset", o.settings.preset},
                   {"seed", o.seed},
                   {"layers", layers},
                   {"output", o.output}});
  return report;
}

Command invert_command() {
  return make_command<InvertOptions>(
      "invert", "pictures that a layer cannot tell from a given one",
      "Looks for pictures with the same answers of a layer as the given one, from random starts: what they share is "
      "what "
      "the layer has kept, where they differ it has forgotten. The error is the distance of the answers, as a share of "
      "their norm. docs/methods/inversion.md says how to read the sheet.",
      {{"fovea invert builtin:cifar10 frog.png --layer conv3 -o sheet.png", "four pictures from four starts"},
       {"fovea invert model.onnx cat.jpg --layer all -o ladder.png", "the ladder of all layers"},
       {"fovea invert model.onnx cat.jpg --layer log-probabilities -o sheet.png", "from what is said of the classes"},
       {"fovea invert model.onnx cat.jpg --layer conv4 --preset mahendran2016 -o sheet.png",
        "as in the paper of 2016"}},
      run);
}

}  // namespace fovea
