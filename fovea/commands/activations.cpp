#include "fovea/commands/activations.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/image/codec.h"
#include "fovea/insight/layer_activity.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"
#include "fovea/model/layers.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/unit_fields.h"
#include "fovea/report/activation_sheet.h"
#include "fovea/report/caption.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

struct LayerResult {
  LayerMaps row;
  LayerActivity activity;
};

std::vector<Stage> wanted_stages(const Model& model, const std::vector<std::string>& layers) {
  if (layers.empty()) {
    std::vector<Stage> stages = stages_of(model, 12);
    require(!stages.empty(), ErrorKind::usage,
            "the network has no layers with maps of several positions; name one with --layer (`fovea layers` lists "
            "them)");
    return stages;
  }
  std::vector<Stage> stages;
  for (const std::string& name : layers) {
    Stage stage = stage_of(model, find_layer(model, name));
    stage.name = name;
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::string field_text(const Stage& stage, const UnitFields& fields) {
  if (stage.field.size() < 2) return {};
  if (stage.height * stage.width == 1) {
    const Interval rows = fields.seen(stage.node, 0, 0), columns = fields.seen(stage.node, 1, 0);
    return fmt::format("sees {} x {} pixels", rows.end - rows.begin, columns.end - columns.begin);
  }
  if (stage.field[0].whole || stage.field[1].whole) return "sees the whole picture";
  return fmt::format("sees {:g} x {:g}, {:g} apart", stage.field[0].size, stage.field[1].size, stage.field[0].stride);
}

std::string row_text(const Stage& s, const LayerActivity& a, const UnitFields& fields) {
  std::string text = s.height * s.width > 1
                         ? fmt::format("{} of {} x {}\n", counted(s.channels, "map"), s.height, s.width)
                         : counted(s.channels, "unit") + "\n";
  if (const std::string field = field_text(s, fields); !field.empty()) text += field + "\n";
  text += fmt::format("mean {:.3g}, deviation {:.3g}\n{:.1f} % of values above 0", a.mean, a.deviation, 100 * a.active);
  if (a.silent > 0) text += fmt::format("\n{} of {} silent", a.silent, counted(s.channels, "unit"));
  if (a.not_finite > 0) text += fmt::format("\n{} not finite", counted(a.not_finite, "value"));
  return text;
}

LayerResult result_of(const Model& model, const Stage& stage, const Tensor& value, const UnitFields& fields,
                      const ActivationsOptions& options) {
  const Tensor maps = value.rank() == 4 ? value : value.reshaped({1, stage.channels, 1, 1});
  const Shape& input = model.graph.shape(picture_input(model));
  LayerResult result{{stage, strongest_maps(stage, maps, options.maps, input[2], input[3]), {}, {}},
                     layer_activity(maps)};
  for (FeatureMap& map : result.row.maps) {
    map.seen_y = fields.seen(stage.node, 0, map.peak_y);
    map.seen_x = fields.seen(stage.node, 1, map.peak_x);
  }
  const bool of_classes = stage.classes || stage.height * stage.width == 1;
  const bool classes = of_classes && static_cast<int64_t>(model.meaning.classes.size()) == stage.channels;
  if (classes)
    for (const FeatureMap& map : result.row.maps)
      result.row.names.push_back(printable(class_name(model.meaning.classes, map.unit)));
  result.row.text = row_text(stage, result.activity, fields);
  return result;
}

std::string table_text(const std::vector<LayerResult>& results) {
  Table table({{"layer", false, 40},
               {"maps"},
               {"mean", true},
               {"deviation", true},
               {"greatest", true},
               {"above 0", true},
               {"silent", true},
               {"strongest units: peak at (y, x)", false, 100}});
  for (const LayerResult& r : results) {
    const Stage& s = r.row.stage;
    std::string units;
    for (size_t k = 0; k < std::min<size_t>(3, r.row.maps.size()); ++k) {
      const FeatureMap& m = r.row.maps[k];
      units += fmt::format("{}{}: {} at ({}, {})", k ? "  " : "", m.unit, short_value(m.peak), m.peak_y, m.peak_x);
    }
    table.add({printable(s.name), fmt::format("{} x {} x {}", s.channels, s.height, s.width),
               fmt::format("{:.3g}", r.activity.mean), fmt::format("{:.3g}", r.activity.deviation),
               short_value(r.activity.greatest), fmt::format("{:.1f} %", 100 * r.activity.active),
               fmt::format("{}", r.activity.silent), units});
  }
  return table.text();
}

std::string not_finite_text(const Model& model, const std::vector<LayerResult>& results) {
  for (const LayerResult& r : results)
    if (r.activity.not_finite > 0)
      return coloured(
          fmt::format("not finite: {} of {}, the first layer with such values: {}\n",
                      counted(r.activity.not_finite, "value"), printable(r.row.stage.name), why_not_finite(model)),
          Ink::yellow);
  return {};
}

Json layer_json(const LayerResult& r) {
  Json units = Json::array();
  for (size_t k = 0; k < r.row.maps.size(); ++k) {
    const FeatureMap& m = r.row.maps[k];
    Json unit = {
        {"unit", m.unit},
        {"peak", m.peak},
        {"at", {m.peak_y, m.peak_x}},
        {"mean", m.mean},
        {"active", share_active(m)},
        {"sees",
         {{"top", m.seen_y.begin}, {"bottom", m.seen_y.end}, {"left", m.seen_x.begin}, {"right", m.seen_x.end}}}};
    if (k < r.row.names.size()) unit["class"] = r.row.names[k];
    units.push_back(unit);
  }
  const Stage& s = r.row.stage;
  const LayerActivity& a = r.activity;
  return {{"layer", printable(s.name)},
          {"maps", {s.channels, s.height, s.width}},
          {"mean", a.mean},
          {"deviation", a.deviation},
          {"least", a.least},
          {"greatest", a.greatest},
          {"active", a.active},
          {"silent", a.silent},
          {"not_finite", a.not_finite},
          {"strongest", units}};
}

}  // namespace

OptionList describe(ActivationsOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{model[0],
                    {"IMAGE", "", "the picture", &o.image, true},
                    {"--layer", "NAME", "this layer instead of every stage (may be repeated)", &o.layers},
                    {"-o,--output", "FILE.png", "write the sheet of maps", &o.output},
                    {"--maps", "N", "maps a layer, the strongest", &o.maps, false, {}, 1, 4096},
                    {"--scale",
                     "HOW",
                     "what the brightest colour is: each map's own peak, or the peak of its layer",
                     &o.scale,
                     false,
                     {"own", "layer"}},
                    {"--colours,--colors",
                     "MAP",
                     "the colours of the maps",
                     &o.colours,
                     false,
                     {"grey", "viridis", "magma", "inferno"}},
                    {"--maps-only", "", "draw the maps alone, a square a value, not over the picture", &o.plain_maps},
                    {"--no-boxes", "", "do not outline what the units at the peaks see", &o.no_boxes},
                    {"--tile", "N", "pixels of a tile's longer side; 0: as suits", &o.tile, false, {}, 0, 2048}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const ActivationsOptions& options) {
  require_picture_output(options.output);
  require_file(options.image, "a picture");
  const Model model = open(context, options.model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const std::vector<Stage> stages = wanted_stages(model, options.layers);
  const Image picture = fit_picture(read_image(options.image), *model.meaning.preprocess);
  const Value input = picture_input(model);
  const UnitFields fields(model.graph, input);
  std::vector<Value> wants;
  for (const Stage& stage : stages) {
    require(fields.depends(stage.node), ErrorKind::usage, "layer \"{}\" does not depend on the picture", stage.name);
    wants.push_back({stage.node, 0});
  }
  const Engine engine(options.engine);
  Program program = engine.compile(model, wants);
  const std::vector<Tensor> values =
      program.run({{model.graph.node(input).name, normalise(picture, *model.meaning.preprocess)}});
  std::vector<LayerResult> results;
  for (size_t k = 0; k < stages.size(); ++k) results.push_back(result_of(model, stages[k], values[k], fields, options));
  const std::string file = std::filesystem::path(options.image).filename().string();
  Report report;
  report.text = fmt::format("{} on {}\n\n", coloured(printable(model.meaning.name), Ink::bold), printable(file)) +
                table_text(results);
  report.text += not_finite_text(model, results);
  Json layers = Json::array();
  for (const LayerResult& r : results) layers.push_back(layer_json(r));
  Json json = {{"model", printable(model.meaning.name)}, {"picture", printable(options.image)}, {"layers", layers}};
  if (!options.output.empty()) {
    std::vector<LayerMaps> rows;
    for (LayerResult& r : results) rows.push_back(std::move(r.row));
    const Image sheet = activation_sheet(picture, rows,
                                         {.map = colour_map(options.colours),
                                          .common = options.scale == "layer",
                                          .overlay = !options.plain_maps,
                                          .boxes = !options.no_boxes,
                                          .tile = static_cast<int>(options.tile)});
    const std::string caption =
        fmt::format("{} on {}: the strongest maps of each layer", printable(model.meaning.name), printable(file));
    write_picture(report, json, options.output, with_caption(sheet, caption), caption);
  }
  report.set_json(json);
  return report;
}

Command activations_command() {
  return make_command<ActivationsOptions>(
      "activations", "the strongest feature maps of each layer, laid over a picture",
      "Shows for every stage of the network, or for the layers named, the units with the highest peaks on a picture: "
      "their maps as colours over it, each value where its unit looks, with the unit's number, its peak and the box "
      "that it sees from there. Prints each layer's mean, deviation, share of values above 0 and silent units.",
      {{"fovea activations model.onnx cat.jpg -o maps.png", "every stage"},
       {"fovea activations vgg19.pth cat.jpg --layer relu4_1 --maps 24 -o relu4_1.png", "one layer, more maps"},
       {"fovea activations builtin:digits digit.png --json", "the numbers, for a program"}},
      run);
}

}  // namespace fovea
