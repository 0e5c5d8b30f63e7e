#include "fovea/commands/deconv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/image_folder.h"
#include "fovea/image/codec.h"
#include "fovea/image/geometry.h"
#include "fovea/insight/projection.h"
#include "fovea/insight/top_patches.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/projection_sheet.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

using Json = nlohmann::ordered_json;

OptionList describe(DeconvOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"IMAGE", "", "a picture; or several, or folders: the strongest places of each unit in all of them",
              &o.images, true},
             {"--layer", "NAME", "the layer whose units are shown; without it, the last ones of maps", &o.layer},
             {"--layers", "LIST", "a plate of several layers: a count of them from first to last, or names with commas",
              &o.layers},
             {"--unit", "U,…", "units by number, such as 3,7,12-15; without it, see --choose", &o.unit},
             {"--units",
              "N",
              "how many, when they are not named; 0: 9, on a plate of layers 8",
              &o.units,
              false,
              {},
              0,
              100000},
             {"--choose",
              "HOW",
              "which those are: with the strongest activations, or the strongest against their mean over all pictures "
              "(auto: that where there are pictures enough)",
              &o.choose,
              false,
              {"auto", "strongest", "selective"}},
             {"--rule",
              "RULE",
              "how the signal passes rectifiers",
              &o.rule,
              false,
              {"deconvnet", "guided", "gradient"}},
             {"--show",
              "HOW",
              "what is shown of a picture: all that the unit sees, or the square that nine tenths of the projection's "
              "energy lie in (auto: that where the unit sees more than a third of the picture)",
              &o.show,
              false,
              {"auto", "field", "energy"}},
             {"--patches",
              "N",
              "places a unit when there are several pictures, one a picture",
              &o.patches,
              false,
              {},
              1,
              10000},
             {"-o,--output", "FILE.png", "the plate: projections, and beside them what the unit saw", &o.output},
             {"--tile",
              "N",
              "side of one projection on the plate, pixels; 0: as suits it",
              &o.tile,
              false,
              {},
              0,
              2000},
             {"--batch", "N", "pictures computed at once, at most", &o.batch, false, {}, 1, 4096},
             {"--memory", "MiB", "for activations and weights; batches shrink to fit", &o.memory, false, {}, 1, 1e7}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

// What a unit answered to.
struct UnitAnswers {
  int64_t unit = 0;
  std::vector<TopPatch> places;  // strongest first; their samples are the gallery's files
  double usual = 0;              // the mean of its greatest values over all pictures, those below 0 as 0
  double mean() const {
    double sum = 0;
    for (const TopPatch& p : places) sum += double(p.score);
    return places.empty() ? -INFINITY : sum / static_cast<double>(places.size());
  }
};
// How much its places stand out; -infinity for units that are silent on some of them.
double selectivity(const UnitAnswers& unit) {
  if (unit.places.empty() || !(unit.places.back().score > 0)) return -INFINITY;
  return unit.mean() / unit.usual;
}
struct LayerAnswers {
  std::string layer;
  std::string sees;
  int64_t count = 0;     // units in the layer
  bool trimmed = false;  // cut to the projection's energy
  std::vector<UnitAnswers> units;
  std::vector<std::vector<Image>> projections, patches;  // [unit][place]
};

std::vector<ImageFiles::Entry> entries_of(const std::vector<fs::path>& files) {
  std::vector<ImageFiles::Entry> entries;
  for (const fs::path& file : files) entries.push_back({file, 0});
  return entries;
}

struct Gallery {
  Gallery(const std::vector<fs::path>& files, const Preprocess& preparation)
      : pictures(entries_of(files), {}, "pictures"), how(preparation) {}
  ImageFiles pictures;
  const Preprocess& how;

  bool single() const { return pictures.size() == 1; }
  // The picture as the network sees it.
  Image fitted(int64_t file) const { return fit_picture(pictures.get(file).image, how); }
  fs::path file_name(int64_t file) const { return fs::path(pictures.name(file)).filename(); }
};

std::vector<UnitAnswers> answers_in(const TopPatches& found) {
  std::vector<UnitAnswers> result;
  for (const UnitPatches& unit : found.units) result.push_back({unit.unit, unit.patches, unit.mean_answer});
  return result;
}

// Those that were asked for, or the `most` whose strongest places are the strongest, or stand out most.
std::vector<UnitAnswers> chosen(std::vector<UnitAnswers> all, bool asked_for, size_t most, bool selective) {
  if (asked_for) return all;
  std::ranges::stable_sort(all, [&](const UnitAnswers& a, const UnitAnswers& b) {
    const double one = selective ? selectivity(a) : a.mean(), other = selective ? selectivity(b) : b.mean();
    return one != other ? one > other : a.mean() > b.mean();
  });
  all.resize(std::min(all.size(), most));
  return all;
}

std::string sees_sentence(const std::vector<ReceptiveField>& field) {
  if (field.size() != 2 || field[0].whole || field[1].whole) return "each unit sees the whole picture";
  return fmt::format("each unit sees {:g}x{:g} pixels", field[1].size, field[0].size);
}

// Projections are made picture by picture, so that each is read and prepared once.
void project(const Context& context, Projector& projector, const Gallery& gallery, LayerAnswers& answers) {
  std::map<int64_t, std::vector<std::pair<size_t, size_t>>> by_file;
  for (size_t u = 0; u < answers.units.size(); ++u)
    for (size_t k = 0; k < answers.units[u].places.size(); ++k)
      by_file[answers.units[u].places[k].sample].emplace_back(u, k);
  for (const UnitAnswers& unit : answers.units) {
    answers.projections.emplace_back(unit.places.size());
    answers.patches.emplace_back(unit.places.size());
  }
  int64_t done = 0;
  for (const auto& [file, places] : by_file) {
    context.report({"projecting " + projector.layer(), done++, static_cast<int64_t>(by_file.size()),
                    gallery.file_name(file).string()});
    const Image picture = gallery.fitted(file);
    std::vector<UnitAt> units;
    for (const auto& [u, k] : places) {
      const TopPatch& p = answers.units[u].places[k];
      units.push_back({answers.units[u].unit, p.y, p.x, p.score, p.rows, p.columns});
    }
    const std::vector<Tensor> projected = projector.project(context, normalise(picture, gallery.how), units);
    for (size_t i = 0; i < places.size(); ++i) {
      const auto& [u, k] = places[i];
      const Box box = answers.trimmed ? energy_box(projected[i], units[i]) : Box{units[i].rows, units[i].columns};
      const Interval &rows = box.rows, &columns = box.columns;
      answers.projections[u][k] = projection_image(projected[i], gallery.how, rows, columns);
      answers.patches[u][k] =
          crop(picture, static_cast<int>(columns.begin), static_cast<int>(rows.begin),
               static_cast<int>(columns.end - columns.begin), static_cast<int>(rows.end - rows.begin));
    }
  }
}

LayerAnswers answers_of(const Context& context, const Model& model, const Engine& engine, const DeconvOptions& options,
                        const TopPatches& found, const Gallery& gallery, size_t most_units) {
  Projector projector(model, found.layer, options.rule, {options.batch, static_cast<size_t>(options.memory) << 20},
                      *engine.backend, engine.compile_options);
  LayerAnswers answers{projector.layer(), sees_sentence(projector.field()), projector.units(), false, {}, {}, {}};
  const auto places = static_cast<int64_t>(gallery.single() ? 1 : options.patches);
  const bool selective =
      options.choose == "selective" || (options.choose == "auto" && gallery.pictures.size() > 2 * places);
  answers.units = chosen(answers_in(found), !options.unit.empty(), most_units, selective);
  require(std::ranges::any_of(answers.units, [](const UnitAnswers& u) { return !u.places.empty(); }), ErrorKind::usage,
          "layer \"{}\" gives no numbers (NaN): {}", answers.layer, why_not_finite(model));
  const Shape& picture = model.graph.shape(picture_input(model));
  const auto wide = [&](size_t axis) {
    return projector.field()[axis].whole || 3 * projector.field()[axis].size > double(picture[axis + 2]);
  };
  answers.trimmed = options.show == "energy" || (options.show == "auto" && (wide(0) || wide(1)));
  project(context, projector, gallery, answers);
  return answers;
}

// What the units of the layers answer to most, one place a picture, over all pictures.
std::vector<TopPatches> search(const Context& context, const Model& model, const Engine& engine,
                               const DeconvOptions& options, const std::vector<std::string>& layers,
                               const Gallery& gallery) {
  std::vector<UnitsOfLayer> wanted;
  for (const std::string& name : layers) {
    const Value layer = find_layer(model, name);
    const Shape& shape = model.graph.shape(layer);
    const int64_t units = shape.rank() >= 2 ? shape[1] : 0;
    const bool known = std::ranges::any_of(wanted, [&](const UnitsOfLayer& w) { return w.layer == layer; });
    require(!known, ErrorKind::usage, "layer {} is given twice", name);
    wanted.push_back({layer, options.unit.empty() ? std::vector<int64_t>()
                                                  : unit_list(options.unit, units, "units of layer " + name)});
  }
  TopPatchOptions how;
  how.count = gallery.single() ? 1 : options.patches;
  how.batch = options.batch;
  how.skip_broken = !gallery.single();
  how.memory = static_cast<size_t>(options.memory) << 20;
  return top_patches(context, model, wanted, gallery.pictures, *engine.backend, engine.compile_options, how);
}

// The layers of the plate, by name.
std::vector<std::string> layers_of(const Context& context, const Model& model, const DeconvOptions& options) {
  require(options.layer.empty() || options.layers.empty(), ErrorKind::usage,
          "--layer shows one layer and --layers several; give one of them");
  if (!options.layer.empty()) return {options.layer};
  int64_t count = 0;
  const std::string& text = options.layers;
  if (text.empty()) return {plate_layers(model, 1 << 20).back()};
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
      error == std::errc() && end == text.data() + text.size()) {
    const std::vector<std::string> layers = plate_layers(model, count);
    if (static_cast<int64_t>(layers.size()) < count)
      context.note(fmt::format("--layers {}: the network has {} for a plate: all are shown", text,
                               counted(layers.size(), "layer")));
    return layers;
  }
  return split_names({text});
}

std::string caption(const UnitAnswers& unit) {
  if (unit.places.empty()) return fmt::format("unit {}: no numbers", unit.unit);
  const float peak = unit.places[0].score;
  if (!(peak > 0)) return fmt::format("unit {}: silent ({:.3g})", unit.unit, peak);
  return unit.places.size() == 1 ? fmt::format("unit {}: {:.3g}", unit.unit, peak)
                                 : fmt::format("unit {}: {:.3g} to {:.3g}", unit.unit, peak, unit.places.back().score);
}

// How many of the layer's units are shown, and that more were asked for than it has.
std::string shown_sentence(const LayerAnswers& answers, int64_t asked_for) {
  std::string text = fmt::format("{} of {}", answers.units.size(), counted(answers.count, "unit"));
  if (asked_for > answers.count) text += fmt::format(", not {}: it has no more", asked_for);
  return text;
}

ProjectedLayer drawn(const LayerAnswers& answers) {
  ProjectedLayer layer{fmt::format("{}, {}; {}{}", printable(answers.layer), shown_sentence(answers, 0), answers.sees,
                                   answers.trimmed ? ", shown is where the projection lies" : ""),
                       {}};
  for (size_t u = 0; u < answers.units.size(); ++u)
    layer.units.push_back({caption(answers.units[u]), answers.projections[u], answers.patches[u]});
  return layer;
}

Json json_of(const LayerAnswers& answers, const Gallery& gallery) {
  Json units = Json::array();
  for (const UnitAnswers& unit : answers.units) {
    Json places = Json::array();
    for (const TopPatch& p : unit.places)
      places.push_back({{"file", gallery.pictures.name(p.sample)},
                        {"activation", p.score},
                        {"y", p.y},
                        {"x", p.x},
                        {"rows", {p.rows.begin, p.rows.end}},
                        {"columns", {p.columns.begin, p.columns.end}}});
    units.push_back({{"unit", unit.unit}, {"places", places}});
  }
  return {{"layer", printable(answers.layer)}, {"units_in_layer", answers.count}, {"units", units}};
}

std::string table_of(const LayerAnswers& answers, const Gallery& gallery, int64_t asked_for) {
  Table table(
      {{"unit", true, 8}, {"activation", true, 12}, {"at", false, 12}, {"pixels", false, 24}, {"picture", false, 40}});
  for (const UnitAnswers& unit : answers.units) {
    if (unit.places.empty()) continue;
    const TopPatch& p = unit.places[0];
    table.add({fmt::format("{}", unit.unit), fmt::format("{:.4g}", p.score), fmt::format("{},{}", p.x, p.y),
               fmt::format("{}-{}, {}-{}", p.columns.begin, p.columns.end, p.rows.begin, p.rows.end),
               printable(gallery.file_name(p.sample).string())});
  }
  return fmt::format("{}: {}; {}\n{}", coloured(printable(answers.layer), Ink::bold),
                     shown_sentence(answers, asked_for), answers.sees, table.text());
}

}  // namespace

Report run(const Context& context, const DeconvOptions& options) {
  require_picture_output(options.output);
  const std::vector<fs::path> files = picture_paths(options.images);
  const Model model = open(context, options.model);
  picture_input(model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const Gallery gallery(files, *model.meaning.preprocess);
  const Engine engine(options.engine);
  const std::vector<std::string> layers = layers_of(context, model, options);
  const std::vector<TopPatches> found = search(context, model, engine, options, layers, gallery);
  const std::vector<std::string>& skipped = found[0].skipped;
  const auto units = static_cast<size_t>(options.units > 0 ? options.units : layers.size() > 1 ? 8 : 9);
  Report report;
  Json shown = Json::array();
  std::vector<ProjectedLayer> plate;
  for (const TopPatches& layer : found) {
    const LayerAnswers answers = answers_of(context, model, engine, options, layer, gallery, units);
    report.text += table_of(answers, gallery, options.unit.empty() ? options.units : 0);
    shown.push_back(json_of(answers, gallery));
    if (!options.output.empty()) plate.push_back(drawn(answers));
  }
  Json json = {{"model", printable(model.meaning.name)},
               {"rule", options.rule},
               {"pictures", files.size()},
               {"skipped", skipped},
               {"layers", shown}};
  report.text += skipped_text(skipped, false, "--json lists all");
  if (!options.output.empty()) {
    const int tile = static_cast<int>(options.tile > 0    ? options.tile
                                      : files.size() == 1 ? 128
                                      : layers.size() > 1 ? 52
                                                          : 72);
    const std::string what =
        files.size() == 1 ? printable(files[0].filename().string()) : counted(files.size() - skipped.size(), "picture");
    const std::string title =
        fmt::format("{}, {}: {}, and what the units saw", printable(model.meaning.name), what, options.rule);
    writing([&] { write_image(options.output, projection_plate(title, plate, tile)); });
    report.files.push_back(options.output);
    report.text += "wrote " + options.output + "\n";
    json["output"] = options.output;
  }
  report.set_json(json);
  return report;
}

Command deconv_command() {
  return make_command<DeconvOptions>(
      "deconv", "what in a picture excites a unit, brought down to pixels",
      "Sends the strongest activation of a unit, all others set to zero, back down to the picture: transposed filters, "
      "max pooling by its switches, and at rectifiers the rule of the deconvnet, of guided back-propagation, or the "
      "plain gradient. The result is cut to what the unit sees and stretched around grey. With several pictures, the "
      "places that excite each unit most in all of them.",
      {{"fovea deconv model.onnx cat.jpg --layer conv4 -o sheet.png", "the strongest units of a layer on one picture"},
       {"fovea deconv model.onnx photos/ --layers 5 -o plate.png", "the famous plate: five layers, nine places a unit"},
       {"fovea deconv model.onnx cat.jpg --layer conv4 --unit 3,12-15 --rule guided -o sheet.png",
        "given units, by guided back-propagation"}},
      run);
}

}  // namespace fovea
