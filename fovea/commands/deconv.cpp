#include "fovea/commands/deconv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "fovea/commands/picture_file.h"
#include "fovea/commands/unit_list.h"
#include "fovea/image/codec.h"
#include "fovea/image/geometry.h"
#include "fovea/insight/projection.h"
#include "fovea/model/conventions.h"
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

// A unit's answer to one of the pictures.
struct Found {
  size_t file = 0;
  UnitAt at;
};
struct UnitAnswers {
  int64_t unit = 0;
  std::vector<Found> places;  // strongest first
  double peaks = 0;           // the sum of its greatest values over all pictures, those below 0 as 0
  int64_t pictures = 0;
  double mean() const {
    double sum = 0;
    for (const Found& f : places) sum += double(f.at.value);
    return places.empty() ? -INFINITY : sum / static_cast<double>(places.size());
  }
};
// How much its places stand out; -infinity for units that are silent on some of them.
double selectivity(const UnitAnswers& unit) {
  if (unit.places.empty() || !(unit.places.back().at.value > 0) || unit.pictures == 0) return -INFINITY;
  return unit.mean() / (unit.peaks / static_cast<double>(unit.pictures));
}
struct LayerAnswers {
  std::string layer;
  std::string sees;
  int64_t count = 0;     // units in the layer
  bool trimmed = false;  // cut to the projection's energy
  std::vector<UnitAnswers> units;
  std::vector<std::vector<Image>> projections, patches;  // [unit][place]
};

struct Gallery {
  std::vector<fs::path> files;
  std::vector<bool> broken;
  std::vector<std::string> skipped;  // a message each
  const Preprocess& how;

  // The picture as the network sees it; nothing, with a message, when it cannot be read and there are others.
  std::optional<Image> fitted(size_t file) {
    if (broken[file]) return {};
    try {
      return fit_picture(read_image(files[file]), how);
    } catch (const Error& e) {
      if (files.size() == 1) throw;
      broken[file] = true;
      skipped.push_back(e.message().find(files[file].string()) == std::string::npos
                            ? fmt::format("{}: {}", files[file].string(), e.message())
                            : e.message());
      return {};
    }
  }
};

// The `most` strongest places of every unit, one a picture, over all pictures.
std::vector<UnitAnswers> search(const Context& context, Projector& projector, Gallery& gallery, size_t most) {
  std::vector<UnitAnswers> result(static_cast<size_t>(projector.units()));
  for (size_t u = 0; u < result.size(); ++u) result[u].unit = static_cast<int64_t>(u);
  const auto total = static_cast<int64_t>(gallery.files.size());
  projector.strongest(
      context, total,
      [&](int64_t i, std::span<float> picture) {
        context.report(
            {"searching " + projector.layer(), i, total, gallery.files[static_cast<size_t>(i)].filename().string()});
        std::ranges::fill(picture, 0.0f);
        if (const auto image = gallery.fitted(static_cast<size_t>(i))) {
          const Tensor input = normalise(*image, gallery.how);
          std::ranges::copy(input.data<float>(), picture.begin());
        }
      },
      [&](int64_t i, const std::vector<UnitAt>& units) {
        if (gallery.broken[static_cast<size_t>(i)]) return;
        for (const UnitAt& at : units) {
          UnitAnswers& unit = result[static_cast<size_t>(at.unit)];
          auto& places = unit.places;
          if (!std::isnan(at.value)) unit.peaks += std::max(0.0, double(at.value)), ++unit.pictures;
          const auto place =
              std::find_if(places.begin(), places.end(), [&](const Found& f) { return at.value > f.at.value; });
          if (std::isnan(at.value) || (place == places.end() && places.size() >= most)) continue;
          places.insert(place, {static_cast<size_t>(i), at});
          if (places.size() > most) places.pop_back();
        }
      });
  return result;
}

// Those asked for, or the `most` whose strongest places are the strongest, or stand out most.
std::vector<UnitAnswers> chosen(std::vector<UnitAnswers> all, const std::vector<int64_t>& wanted, size_t most,
                                bool selective) {
  std::vector<UnitAnswers> result;
  for (const int64_t unit : wanted) result.push_back(all[static_cast<size_t>(unit)]);
  if (!wanted.empty()) return result;
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
void project(const Context& context, Projector& projector, Gallery& gallery, LayerAnswers& answers) {
  std::map<size_t, std::vector<std::pair<size_t, size_t>>> by_file;
  for (size_t u = 0; u < answers.units.size(); ++u)
    for (size_t k = 0; k < answers.units[u].places.size(); ++k)
      by_file[answers.units[u].places[k].file].emplace_back(u, k);
  for (const UnitAnswers& unit : answers.units) {
    answers.projections.emplace_back(unit.places.size());
    answers.patches.emplace_back(unit.places.size());
  }
  int64_t done = 0;
  for (const auto& [file, places] : by_file) {
    context.report({"projecting " + projector.layer(), done++, static_cast<int64_t>(by_file.size()),
                    gallery.files[file].filename().string()});
    const std::optional<Image> picture = gallery.fitted(file);
    require(picture.has_value(), ErrorKind::io, "{}: could be read a moment ago, now it cannot",
            gallery.files[file].string());
    std::vector<UnitAt> units;
    for (const auto& [u, k] : places) units.push_back(answers.units[u].places[k].at);
    const std::vector<Tensor> projected = projector.project(context, normalise(*picture, gallery.how), units);
    for (size_t i = 0; i < places.size(); ++i) {
      const auto& [u, k] = places[i];
      const Box box = answers.trimmed ? energy_box(projected[i], units[i]) : Box{units[i].rows, units[i].columns};
      const Interval &rows = box.rows, &columns = box.columns;
      answers.projections[u][k] = projection_image(projected[i], gallery.how, rows, columns);
      answers.patches[u][k] =
          crop(*picture, static_cast<int>(columns.begin), static_cast<int>(rows.begin),
               static_cast<int>(columns.end - columns.begin), static_cast<int>(rows.end - rows.begin));
    }
  }
}

LayerAnswers answers_of(const Context& context, const Model& model, const Engine& engine, const DeconvOptions& options,
                        const std::string& layer, Gallery& gallery, size_t most_units) {
  Projector projector(model, layer, options.rule, {options.batch, static_cast<size_t>(options.memory) << 20},
                      *engine.backend, engine.compile_options);
  LayerAnswers answers{projector.layer(), sees_sentence(projector.field()), projector.units(), false, {}, {}, {}};
  const size_t places = gallery.files.size() == 1 ? 1 : static_cast<size_t>(options.patches);
  const bool selective =
      options.choose == "selective" || (options.choose == "auto" && gallery.files.size() > 2 * places);
  const std::vector<int64_t> wanted =
      options.unit.empty() ? std::vector<int64_t>()
                           : unit_list(options.unit, projector.units(), "units of layer " + answers.layer);
  answers.units = chosen(search(context, projector, gallery, places), wanted, most_units, selective);
  require(std::ranges::any_of(gallery.broken, [](bool broken) { return !broken; }), ErrorKind::usage,
          "none of the {} pictures can be read; the first: {}", gallery.files.size(), gallery.skipped[0]);
  require(std::ranges::any_of(answers.units, [](const UnitAnswers& u) { return !u.places.empty(); }), ErrorKind::usage,
          "layer \"{}\" gives no numbers (NaN): the network's weights or the preprocessing do not fit", answers.layer);
  const Shape& picture = model.graph.shape(picture_input(model));
  const auto wide = [&](size_t axis) {
    return projector.field()[axis].whole || 3 * projector.field()[axis].size > double(picture[axis + 2]);
  };
  answers.trimmed = options.show == "energy" || (options.show == "auto" && (wide(0) || wide(1)));
  project(context, projector, gallery, answers);
  return answers;
}

// The layers of the plate, by name.
std::vector<std::string> layers_of(const Model& model, const DeconvOptions& options) {
  require(options.layer.empty() || options.layers.empty(), ErrorKind::usage,
          "--layer shows one layer and --layers several; give one of them");
  if (!options.layer.empty()) return {options.layer};
  int64_t count = 0;
  const std::string& text = options.layers;
  if (text.empty()) return {plate_layers(model, 1 << 20).back()};
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
      error == std::errc() && end == text.data() + text.size())
    return plate_layers(model, count);
  return split_names({text});
}

std::string caption(const UnitAnswers& unit) {
  if (unit.places.empty()) return fmt::format("unit {}: no numbers", unit.unit);
  const float peak = unit.places[0].at.value;
  if (!(peak > 0)) return fmt::format("unit {}: silent ({:.3g})", unit.unit, peak);
  return unit.places.size() == 1
             ? fmt::format("unit {}: {:.3g}", unit.unit, peak)
             : fmt::format("unit {}: {:.3g} to {:.3g}", unit.unit, peak, unit.places.back().at.value);
}

ProjectedLayer drawn(const LayerAnswers& answers) {
  ProjectedLayer layer{
      fmt::format("{}, {} of {} units; {}{}", printable(answers.layer), answers.units.size(), answers.count,
                  answers.sees, answers.trimmed ? ", shown is where the projection lies" : ""),
      {}};
  for (size_t u = 0; u < answers.units.size(); ++u)
    layer.units.push_back({caption(answers.units[u]), answers.projections[u], answers.patches[u]});
  return layer;
}

Json json_of(const LayerAnswers& answers, const Gallery& gallery) {
  Json units = Json::array();
  for (const UnitAnswers& unit : answers.units) {
    Json places = Json::array();
    for (const Found& f : unit.places)
      places.push_back({{"file", gallery.files[f.file].string()},
                        {"activation", f.at.value},
                        {"y", f.at.y},
                        {"x", f.at.x},
                        {"rows", {f.at.rows.begin, f.at.rows.end}},
                        {"columns", {f.at.columns.begin, f.at.columns.end}}});
    units.push_back({{"unit", unit.unit}, {"places", places}});
  }
  return {{"layer", printable(answers.layer)}, {"units_in_layer", answers.count}, {"units", units}};
}

std::string table_of(const LayerAnswers& answers, const Gallery& gallery) {
  Table table(
      {{"unit", true, 8}, {"activation", true, 12}, {"at", false, 12}, {"pixels", false, 24}, {"picture", false, 40}});
  for (const UnitAnswers& unit : answers.units) {
    if (unit.places.empty()) continue;
    const Found& f = unit.places[0];
    table.add({fmt::format("{}", unit.unit), fmt::format("{:.4g}", f.at.value), fmt::format("{},{}", f.at.x, f.at.y),
               fmt::format("{}-{}, {}-{}", f.at.columns.begin, f.at.columns.end, f.at.rows.begin, f.at.rows.end),
               printable(gallery.files[f.file].filename().string())});
  }
  return coloured(printable(answers.layer), Ink::bold) + ", " + answers.sees + "\n" + table.text();
}

}  // namespace

Report run(const Context& context, const DeconvOptions& options) {
  require_picture_output(options.output);
  const std::vector<fs::path> files = picture_paths(options.images);
  const Model model = open(context, options.model);
  picture_input(model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  Gallery gallery{files, std::vector<bool>(files.size(), false), {}, *model.meaning.preprocess};
  const Engine engine(options.engine);
  const std::vector<std::string> layers = layers_of(model, options);
  const auto units = static_cast<size_t>(options.units > 0 ? options.units : layers.size() > 1 ? 8 : 9);
  Report report;
  Json shown = Json::array();
  std::vector<ProjectedLayer> plate;
  for (const std::string& layer : layers) {
    const LayerAnswers answers = answers_of(context, model, engine, options, layer, gallery, units);
    report.text += table_of(answers, gallery);
    shown.push_back(json_of(answers, gallery));
    if (!options.output.empty()) plate.push_back(drawn(answers));
  }
  Json json = {{"model", printable(model.meaning.name)},
               {"rule", options.rule},
               {"pictures", files.size()},
               {"skipped", gallery.skipped},
               {"layers", shown}};
  for (const std::string& message : gallery.skipped) context.note(message);
  if (!gallery.skipped.empty())
    report.text += fmt::format("{} of {} pictures could not be read\n", gallery.skipped.size(), files.size());
  if (!options.output.empty()) {
    const int tile = static_cast<int>(options.tile > 0    ? options.tile
                                      : files.size() == 1 ? 128
                                      : layers.size() > 1 ? 52
                                                          : 72);
    const std::string what = files.size() == 1 ? printable(files[0].filename().string())
                                               : fmt::format("{} pictures", files.size() - gallery.skipped.size());
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
