#include "fovea/commands/top.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/loose_pictures.h"
#include "fovea/image/draw.h"
#include "fovea/insight/top_patches.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/report/caption.h"
#include "fovea/report/table.h"
#include "fovea/report/top_patch_sheet.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kShownUnits = 64;  // where nothing is said
constexpr size_t kShownRows = 16;

std::string short_name(const Dataset& data, int64_t sample) {
  const std::string name = data.name(sample);
  return printable(name.find('/') == name.npos ? name : std::filesystem::path(name).filename().string());
}

std::string units_text(const TopPatches& found, const Dataset& data, bool all) {
  Table table({{"unit", true}, {"greatest", true}, {"mean peak", true}, {"active in", true}, {"where"}, {"at (y, x)"}});
  const size_t shown = all ? found.units.size() : std::min(kShownRows, found.units.size());
  for (size_t i = 0; i < shown; ++i) {
    const UnitPatches& u = found.units[i];
    const double share = 100.0 * static_cast<double>(u.active) / static_cast<double>(found.samples);
    std::vector<std::string> row = {fmt::format("{}", u.unit), "", fmt::format("{:.4g}", u.mean_peak),
                                    fmt::format("{:.1f} %", share)};
    if (!u.patches.empty()) {
      const TopPatch& best = u.patches[0];
      row[1] = fmt::format("{:.4g}", best.score);
      row.push_back(short_name(data, best.sample));
      row.push_back(fmt::format("({}, {})", best.y, best.x));
    }
    table.add(row);
  }
  std::string text = table.text();
  if (shown < found.units.size())
    text += coloured(fmt::format("not listed: {} more (--all)\n", found.units.size() - shown), Ink::dim);
  return text;
}

std::string silent_text(const TopPatches& found) {
  std::vector<int64_t> silent;
  for (const UnitPatches& u : found.units)
    if (u.active == 0) silent.push_back(u.unit);
  if (silent.empty()) return {};
  return coloured(fmt::format("never above 0 in {}: {} of {} ({})\n", counted(found.samples, "picture"), silent.size(),
                              counted(found.units.size(), "unit"), unit_text(silent)),
                  Ink::yellow);
}

// A path by its last part, other names as they are.
std::string data_name(const std::string& data) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::path(data) / "";
  return printable(std::filesystem::exists(data, error) ? path.parent_path().filename().string() : data);
}

std::string head_text(const TopPatches& found, const TopOptions& options, const Dataset& data) {
  const int64_t units = static_cast<int64_t>(found.units.size());
  std::string text = fmt::format("{}: {} of {}", printable(found.layer), units, counted(found.channels, "unit"));
  if (found.height * found.width > 1) text += fmt::format(" with maps of {} x {}", found.height, found.width);
  text += fmt::format(", which see up to {} x {} pixels; {} of {}", found.field_height, found.field_width,
                      counted(found.samples, "picture"), data_name(options.data));
  if (!data.description().empty()) text += fmt::format(" ({})", printable(data.description()));
  return text;
}

Json layer_json(const TopPatches& found, const Dataset& data) {
  Json units = Json::array();
  for (const UnitPatches& u : found.units) {
    Json patches = Json::array();
    for (const TopPatch& p : u.patches)
      patches.push_back(
          {{"sample", p.sample},
           {"name", printable(data.name(p.sample))},
           {"score", p.score},
           {"at", {p.y, p.x}},
           {"box",
            {{"top", p.rows.begin}, {"bottom", p.rows.end}, {"left", p.columns.begin}, {"right", p.columns.end}}}});
    units.push_back({{"unit", u.unit}, {"mean_peak", u.mean_peak}, {"active", u.active}, {"patches", patches}});
  }
  return {{"layer", printable(found.layer)},     {"channels", found.channels},
          {"maps", {found.height, found.width}}, {"field", {found.field_height, found.field_width}},
          {"not_finite", found.not_finite},      {"units", units}};
}

Json result_json(const std::vector<TopPatches>& found, const TopOptions& options, const Dataset& data) {
  Json layers = Json::array(), skipped = Json::array();
  for (const TopPatches& layer : found) layers.push_back(layer_json(layer, data));
  for (const std::string& message : found[0].skipped) skipped.push_back(printable(message));
  return {{"data", printable(options.data)},
          {"split", options.split},
          {"samples", found[0].samples},
          {"skipped", skipped},
          {"layers", layers}};
}

std::string layer_text(const TopPatches& found) {
  std::string text;
  if (found.not_finite > 0)
    text = coloured(
        fmt::format("in {} a unit gave NaN, which is never taken for a peak\n", counted(found.not_finite, "picture")),
        Ink::yellow);
  return silent_text(found) + text;
}

// Which units of which layers.
std::vector<UnitsOfLayer> wanted_of(const Model& model, const TopOptions& options) {
  std::vector<UnitsOfLayer> wanted;
  for (const std::string& name : split_names(options.layers)) {
    const Value layer = find_layer(model, name);
    require(std::none_of(wanted.begin(), wanted.end(), [&](const UnitsOfLayer& w) { return w.layer == layer; }),
            ErrorKind::usage, "layer {} is given twice", name);
    const Shape& shape = model.graph.shape(layer);
    const int64_t channels = shape.rank() >= 2 ? shape[1] : 0;
    wanted.push_back({layer, options.units.empty() ? first_units(channels, kShownUnits)
                                                   : unit_list(options.units, channels, "units of layer " + name)});
  }
  require(!wanted.empty(), ErrorKind::usage, "--layer names no layer");
  return wanted;
}

// One sheet a layer, under each other.
Image sheets(const std::vector<TopPatches>& found, const std::vector<std::string>& heads, const Dataset& data,
             const Model& model, const TopOptions& options) {
  std::vector<Image> parts;
  int width = 0;
  int64_t height = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const Image sheet =
        top_patch_sheet(found[i], data, *model.meaning.preprocess,
                        {static_cast<int>(options.tile), static_cast<int>(options.columns), options.plain});
    parts.push_back(options.plain ? sheet : with_caption(sheet, heads[i]));
    width = std::max(width, parts.back().width());
    height += parts.back().height();
  }
  if (parts.size() == 1) return parts[0];
  require_sheet_size(width, height, "ask for fewer layers or units");
  Image all = blank(width, static_cast<int>(height));
  int y = 0;
  for (const Image& part : parts) {
    draw_image(all, part, 0, y);
    y += part.height();
  }
  return all;
}

}  // namespace

OptionList describe(TopOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"DATA", "",
              "a folder of pictures, or a set as `fovea data` takes it: mnist, cifar10, drawn:glyphs, a folder "
              "of class folders, an archive",
              &o.data, true},
             {"--layer", "NAME",
              "the layer whose units are looked at; may be repeated, or names with commas: all layers are "
              "looked at in one pass over the pictures",
              &o.layers, true},
             {"--units", "LIST", "its units, such as 0-63,70 or all; the first 64 unless given", &o.units},
             {"-k,--count", "N", "patches a unit", &o.count, false, {}, 1, 1000},
             {"-o,--output", "FILE.png", "write the sheet of patches", &o.output},
             {"--split", "NAME", "which part of the data", &o.split, false, {"test", "train", "val"}},
             {"--limit", "N", "only the first N pictures; 0: all", &o.limit, false, {}, 0, 1e15},
             {"--batch",
              "N",
              "pictures computed at once; 0: as many as suit the network's input",
              &o.batch,
              false,
              {},
              0,
              4096},
             {"--memory", "MiB", "for activations and weights; batches shrink to fit", &o.memory, false, {}, 1, 1e7},
             {"--tile", "N", "pixels a patch; 0: as suits", &o.tile, false, {}, 0, 1024},
             {"--columns", "N", "units in a row; 0: as suits", &o.columns, false, {}, 0, 1000},
             {"--plain", "", "the sheet without its text: for a paper", &o.plain},
             {"--all", "", "list every unit and every broken picture, not only the first ones", &o.all}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const TopOptions& options) {
  require_picture_output(options.output);
  const std::unique_ptr<Dataset> data = open_pictures(options.data, {options.split, true});
  const Model model = open(context, options.model);
  const std::vector<UnitsOfLayer> wanted = wanted_of(model, options);
  TopPatchOptions how;
  how.count = options.count;
  how.batch = options.batch;
  how.limit = options.limit;
  how.memory = static_cast<size_t>(options.memory) << 20;
  const Engine engine(options.engine);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<TopPatches> found =
      top_patches(context, model, wanted, *data, *engine.backend, engine.compile_options, how);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string speed = fmt::format("in {}: {} pictures a second\n", short_time(seconds),
                                        short_number(static_cast<double>(found[0].samples) / std::max(seconds, 1e-9)));
  Report report;
  std::vector<std::string> captions;
  for (const TopPatches& layer : found) {
    const std::string head = head_text(layer, options, *data);
    report.text += fmt::format("{}\n{}\n{}{}\n", head, captions.empty() ? speed : "",
                               units_text(layer, *data, options.all), layer_text(layer));
    captions.push_back(
        fmt::format("{}, {}. Below each unit its number and its greatest value.", printable(model.meaning.name), head));
  }
  if (report.text.ends_with("\n\n")) report.text.pop_back();
  report.text += skipped_text(found[0].skipped, options.all);
  Json json = result_json(found, options, *data);
  json["seconds"] = seconds;
  if (!options.output.empty())
    write_picture(report, json, options.output, sheets(found, captions, *data, model, options),
                  fmt::format("{}", fmt::join(captions, "\n")));
  report.set_json(json);
  return report;
}

Command top_command() {
  return make_command<TopOptions>(
      "top", "the patches of pictures that excite each unit of a layer most",
      "Looks at any number of pictures and keeps, for each unit, the k in which its greatest value is highest: at most "
      "one patch a picture, cut out exactly where the unit looks. Memory is taken for k patches a unit. Pictures that "
      "cannot be read are left out, named and counted.",
      {{"fovea top model.onnx photos/ --layer conv3 -o top.png", "nine patches of each of the first 64 units"},
       {"fovea top builtin:cifar10 cifar10 --layer conv5 --units all -o top.png",
        "all units, over CIFAR-10's test set"},
       {"fovea top model.onnx photos/ --layer conv2,conv3,conv4 --units 0-15 -o top.png", "three layers, in one pass"},
       {"fovea top builtin:digits mnist --layer conv2 -k 16 --split train --json", "for a program"}},
      run);
}

}  // namespace fovea
