#include "fovea/commands/top.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/commands/picture_file.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/loose_pictures.h"
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
constexpr size_t kShownRows = 16, kShownSkipped = 5;

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
    text += coloured(fmt::format("{} more units are not listed (--all)\n", found.units.size() - shown), Ink::dim);
  return text;
}

std::string silent_text(const TopPatches& found) {
  std::vector<int64_t> silent;
  for (const UnitPatches& u : found.units)
    if (u.active == 0) silent.push_back(u.unit);
  if (silent.empty()) return {};
  return coloured(fmt::format("never above 0 in {} pictures: {} of {} units ({})\n", found.samples, silent.size(),
                              found.units.size(), unit_text(silent)),
                  Ink::yellow);
}

std::string skipped_text(const TopPatches& found, bool all) {
  if (found.skipped.empty()) return {};
  std::string text =
      coloured(fmt::format("{} pictures could not be read and are not counted:\n", found.skipped.size()), Ink::yellow);
  const size_t shown = all ? found.skipped.size() : std::min(kShownSkipped, found.skipped.size());
  for (size_t i = 0; i < shown; ++i) text += "  " + printable(found.skipped[i]) + "\n";
  if (shown < found.skipped.size()) text += fmt::format("  and {} more (--all)\n", found.skipped.size() - shown);
  return text;
}

// A path by its last part, other names as they are.
std::string data_name(const std::string& data) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::path(data) / "";
  return printable(std::filesystem::exists(data, error) ? path.parent_path().filename().string() : data);
}

std::string head_text(const TopPatches& found, const TopOptions& options, const Dataset& data) {
  const int64_t units = static_cast<int64_t>(found.units.size());
  std::string text = fmt::format("{}: {} of {} units", printable(found.layer), units, found.channels);
  if (found.height * found.width > 1) text += fmt::format(" with maps of {} x {}", found.height, found.width);
  text += fmt::format(", which see up to {} x {} pixels; {} pictures of {}", found.field_height, found.field_width,
                      found.samples, data_name(options.data));
  if (!data.description().empty()) text += fmt::format(" ({})", printable(data.description()));
  return text;
}

Json result_json(const TopPatches& found, const TopOptions& options, const Dataset& data) {
  Json units = Json::array(), skipped = Json::array();
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
  for (const std::string& message : found.skipped) skipped.push_back(printable(message));
  return {{"layer", printable(found.layer)},
          {"channels", found.channels},
          {"maps", {found.height, found.width}},
          {"field", {found.field_height, found.field_width}},
          {"data", printable(options.data)},
          {"split", options.split},
          {"samples", found.samples},
          {"not_finite", found.not_finite},
          {"skipped", skipped},
          {"units", units}};
}

}  // namespace

OptionList describe(TopOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{model[0],
                    {"DATA", "",
                     "a folder of pictures, or a set as `fovea data` takes it: mnist, cifar10, drawn:glyphs, a folder "
                     "of class folders, an archive",
                     &o.data, true},
                    {"--layer", "NAME", "the layer whose units are looked at", &o.layer, true},
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
  const Value layer = find_layer(model, options.layer);
  const Shape& shape = model.graph.shape(layer);
  const int64_t channels = shape.rank() >= 2 ? shape[1] : 0;
  TopPatchOptions how;
  how.units = options.units.empty() ? first_units(channels, kShownUnits)
                                    : unit_list(options.units, channels, "units of layer " + options.layer);
  how.count = options.count;
  how.batch = options.batch;
  how.limit = options.limit;
  const Engine engine(options.engine);
  const auto start = std::chrono::steady_clock::now();
  const TopPatches found = top_patches(context, model, layer, *data, *engine.backend, engine.compile_options, how);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string head = head_text(found, options, *data);
  Report report;
  report.text = fmt::format("{}\nin {}: {} pictures a second\n\n", head, short_time(seconds),
                            short_number(static_cast<double>(found.samples) / std::max(seconds, 1e-9)));
  report.text += units_text(found, *data, options.all) + silent_text(found) + skipped_text(found, options.all);
  if (found.not_finite > 0)
    report.text +=
        coloured(fmt::format("in {} pictures a unit gave NaN, which is never taken for a peak\n", found.not_finite),
                 Ink::yellow);
  Json json = result_json(found, options, *data);
  json["seconds"] = seconds;
  if (!options.output.empty()) {
    const Image sheet =
        top_patch_sheet(found, *data, *model.meaning.preprocess,
                        {static_cast<int>(options.tile), static_cast<int>(options.columns), options.plain});
    const std::string caption =
        fmt::format("{}, {}. Below each unit its number and its greatest value.", printable(model.meaning.name), head);
    write_picture(report, json, options.output, options.plain ? sheet : with_caption(sheet, caption), caption);
  }
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
       {"fovea top builtin:digits mnist --layer conv2 -k 16 --split train --json", "for a program"}},
      run);
}

}  // namespace fovea
