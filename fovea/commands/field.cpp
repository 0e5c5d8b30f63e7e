#include "fovea/commands/field.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/unit_list.h"
#include "fovea/graph/op.h"
#include "fovea/image/codec.h"
#include "fovea/insight/effective_field.h"
#include "fovea/insight/layer_activity.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/unit_fields.h"
#include "fovea/report/caption.h"
#include "fovea/report/field_figure.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kRunsOfOne = 32, kRunsOfMany = 8;

// The pictures that gradients are taken on; empty: noise.
struct Pictures {
  Image first;
  std::vector<Tensor> inputs;
  std::vector<std::string> skipped;  // a message for each picture that cannot be read
};
Pictures read_pictures(const Context& context, const Model& model, const FieldOptions& options, int64_t runs) {
  Pictures result;
  if (options.images.empty()) return result;
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const std::vector<std::filesystem::path> files = picture_paths(options.images);
  size_t looked_at = 0;
  for (; looked_at < files.size() && static_cast<int64_t>(result.inputs.size()) < runs; ++looked_at) {
    try {
      const Image fitted = fit_picture(read_image(files[looked_at]), *model.meaning.preprocess);
      result.inputs.push_back(normalise(fitted, *model.meaning.preprocess));
      if (result.first.empty()) result.first = fitted;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::io && e.kind() != ErrorKind::format) throw;
      result.skipped.push_back(e.message());
    }
  }
  require(!result.inputs.empty(), ErrorKind::format, "0 of {} can be read; the first: {}",
          counted(files.size(), "picture"), result.skipped.empty() ? "" : result.skipped[0]);
  for (const std::string& message : result.skipped) context.note("left out: " + message);
  if (looked_at < files.size())
    context.note(
        fmt::format("of {}, {} used, one a run (--runs)", counted(files.size(), "picture"), result.inputs.size()));
  return result;
}

// One layer's field.
struct Row {
  int node = -1;
  std::string name, op;
  Shape shape;
  std::vector<ReceptiveField> field;  // [y, x]
  Interval rows, columns;             // of the middle unit, or the one asked for
  std::optional<EffectiveField> effective;
  std::string no_effective;
};

bool is_whole(const Row& r) { return r.field[0].whole || r.field[1].whole; }
std::string size_text(const Row& r) {
  return is_whole(r) ? "everything" : fmt::format("{:g} x {:g}", r.field[0].size, r.field[1].size);
}
std::string pair_text(double a, double b) { return a == b ? fmt::format("{:g}", a) : fmt::format("{:g}, {:g}", a, b); }
std::string box_text(const Row& r) {
  return fmt::format("rows {} to {}, columns {} to {}", r.rows.begin, r.rows.end - 1, r.columns.begin,
                     r.columns.end - 1);
}

struct Network {
  const Model& model;
  Value input;
  std::vector<std::vector<ReceptiveField>> regular;
  UnitFields exact;
  explicit Network(const Model& m)
      : model(m), input(picture_input(m)), regular(receptive_fields(m.graph, input)), exact(m.graph, input) {}

  Row row(int node, int64_t y, int64_t x) const {
    const Node& n = model.graph.node(node);
    return {node,
            n.name,
            std::string(n.op->name),
            n.outputs[0].shape,
            regular[static_cast<size_t>(node)],
            exact.seen(node, 0, y),
            exact.seen(node, 1, x),
            {},
            {}};
  }
  // Every layer, or those whose field is another than that of the layers before them.
  std::vector<Row> rows(bool all) const {
    const std::vector<bool> depends_out = [&] {
      std::vector<Value> outputs;
      for (const NamedValue& o : model.graph.outputs) outputs.push_back(o.value);
      return reachable(model.graph, outputs);
    }();
    std::vector<Row> result;
    for (int i = 0; i < model.graph.size(); ++i) {
      const Node& node = model.graph.node(i);
      if (i == input.node || !exact.depends(i) || !depends_out[static_cast<size_t>(i)] ||
          regular[static_cast<size_t>(i)].size() != 2)
        continue;
      bool changed = false;
      for (const Value v : node.inputs)
        if (v && exact.depends(v.node))
          changed = changed || regular[static_cast<size_t>(v.node)] != regular[static_cast<size_t>(i)];
      if (!all && !changed) continue;
      result.push_back(row(i, exact.positions(i, 0) / 2, exact.positions(i, 1) / 2));
    }
    return result;
  }
};

Json interval_json(const Interval& rows, const Interval& columns) {
  return {{"top", rows.begin}, {"bottom", rows.end}, {"left", columns.begin}, {"right", columns.end}};
}

Json row_json(const Row& r) {
  Json json = {{"layer", printable(r.name)}, {"operator", r.op}, {"shape", std::vector<int64_t>(r.shape)}};
  json["whole"] = is_whole(r);
  json["size"] = {r.field[0].size, r.field[1].size};
  json["stride"] = {r.field[0].stride, r.field[1].stride};
  json["offset"] = {r.field[0].offset, r.field[1].offset};
  json["box"] = interval_json(r.rows, r.columns);
  if (!r.no_effective.empty()) json["effective_unknown"] = r.no_effective;
  if (!r.effective) return json;
  const EffectiveField& e = *r.effective;
  json["at"] = {e.y, e.x};
  json["effective"] = {{"runs", e.runs},
                       {"silent", e.silent},
                       {"touched", interval_json(e.touched_rows, e.touched_columns)},
                       {"centre", {e.centre_y, e.centre_x}},
                       {"deviation", {e.deviation_y, e.deviation_x}},
                       {"central_half", e.central_half},
                       {"side_of_half", e.side_half},
                       {"side_of_95_percent", e.side_most},
                       {"luo_size", e.luo_size}};
  return json;
}

std::string table_text(const std::vector<Row>& rows, bool effective) {
  std::vector<Table::Column> columns = {{"layer", false, 44}, {"operator"},    {"maps"},
                                        {"sees", true},       {"apart", true}, {"begins at", true}};
  if (effective) {
    columns.push_back({"energy in the middle half", true});
    columns.push_back({"half within", true});
    columns.push_back({"95 % within", true});
  } else {
    columns.push_back({"the middle unit sees", false, 60});
  }
  Table table(columns);
  for (const Row& r : rows) {
    std::vector<std::string> cells = {printable(r.name), r.op, to_string(r.shape), size_text(r)};
    cells.push_back(is_whole(r) ? "" : pair_text(r.field[0].stride, r.field[1].stride));
    cells.push_back(is_whole(r) ? "" : pair_text(r.field[0].offset, r.field[1].offset));
    if (!effective) {
      cells.push_back(box_text(r));
    } else if (!r.effective || r.effective->runs == 0) {
      cells.push_back(r.effective ? "no gradient" : "unknown");
    } else {
      const EffectiveField& e = *r.effective;
      cells.push_back(fmt::format("{:.1f} %", 100 * e.central_half));
      cells.push_back(fmt::format("{:.0f} px", e.side_half));
      cells.push_back(fmt::format("{:.0f} px", e.side_most));
    }
    table.add(cells);
  }
  return table.text();
}

std::string layer_text(const Row& r) {
  std::string text = is_whole(r) ? "theoretical: every unit sees the whole picture\n"
                                 : fmt::format("theoretical: {} pixels, neighbours {} apart, the first begins at {}\n",
                                               size_text(r), pair_text(r.field[0].stride, r.field[1].stride),
                                               pair_text(r.field[0].offset, r.field[1].offset));
  const EffectiveField& e = *r.effective;
  text += fmt::format("the unit at ({}, {}) sees {}\n", e.y, e.x, box_text(r));
  if (e.runs == 0)
    return text +
           coloured(fmt::format("effective: none of {} gradients was anything but 0: the units were off; try pictures "
                                "(--image), other units, or the layer before the rectifier\n",
                                e.silent),
                    Ink::yellow);
  text += fmt::format("effective, mean over {}{}:\n", counted(e.runs, "gradient"),
                      e.silent > 0 ? fmt::format(" ({} more were 0: the unit was off)", e.silent) : "");
  text += fmt::format("  gradient in rows {} to {}, columns {} to {}\n", e.touched_rows.begin, e.touched_rows.end - 1,
                      e.touched_columns.begin, e.touched_columns.end - 1);
  text += fmt::format("  energy in the middle half of the box (1/4 of its area): {:.1f} %\n", 100 * e.central_half);
  text += fmt::format("  half of the energy within {:.0f} x {:.0f} pixels, 95 % within {:.0f} x {:.0f}\n", e.side_half,
                      e.side_half, e.side_most, e.side_most);
  text += fmt::format("  standard deviation {:.1f} rows, {:.1f} columns; size after Luo et al. {:.1f} pixels\n",
                      e.deviation_y, e.deviation_x, e.luo_size);
  return text;
}

// "7,12".
std::pair<int64_t, int64_t> position(const std::string& text) {
  if (text.empty()) return {-1, -1};
  int64_t y = -1, x = -1;
  const size_t comma = text.find(',');
  const char* end = text.data() + text.size();
  const auto a = std::from_chars(text.data(), end, y);
  const bool first = comma != text.npos && a.ec == std::errc() && a.ptr == text.data() + comma;
  const auto b = first ? std::from_chars(text.data() + comma + 1, end, x) : a;
  require(first && b.ec == std::errc() && b.ptr == end && y >= 0 && x >= 0, ErrorKind::usage,
          "--at {}: expected a row and a column of the layer's maps, such as 7,12", text);
  return {y, x};
}

// Winograd's algorithm leaves rounding errors where the gradient is 0, and the field's box would look larger.
Engine exact_engine(const FieldOptions& options) {
  EngineOptions exact = options.engine;
  exact.exact = true;
  return Engine(exact);
}

Report one_layer(const Context& context, const Model& model, const FieldOptions& options) {
  const Value layer = find_layer(model, options.layer);
  const Stage stage = stage_of(model, layer);
  const int64_t runs = options.runs > 0 ? options.runs : kRunsOfOne;
  const Pictures pictures = read_pictures(context, model, options, runs);
  EffectiveFieldOptions how;
  how.runs = runs;
  how.pictures = pictures.inputs;
  if (!options.units.empty()) how.units = unit_list(options.units, stage.channels, "units of layer " + options.layer);
  std::tie(how.y, how.x) = position(options.at);
  const Engine engine = exact_engine(options);
  EffectiveField field = effective_field(context, model, layer, *engine.backend, engine.compile_options, how);
  const Network network(model);
  Row row = network.row(layer.node, field.y, field.x);
  row.effective = std::move(field);
  Report report;
  report.text = fmt::format("{}, {}: {}\n", coloured(printable(model.meaning.name), Ink::bold),
                            coloured(printable(options.layer), Ink::bold), to_string(row.shape)) +
                layer_text(row);
  Json json = row_json(row);
  json["model"] = printable(model.meaning.name);
  json["pictures"] = options.images.empty() ? Json("noise") : Json(pictures.inputs.size());
  json["skipped"] = Json::array();
  for (const std::string& message : pictures.skipped) json["skipped"].push_back(printable(message));
  if (!options.output.empty()) {
    const std::string caption =
        fmt::format("{}, {}: what the unit at ({}, {}) can see and what it listens to; mean over {} gradients on {}",
                    printable(model.meaning.name), printable(options.layer), row.effective->y, row.effective->x,
                    row.effective->runs, pictures.inputs.empty() ? "noise" : "pictures");
    write_picture(report, json, options.output,
                  with_caption(effective_field_figure(*row.effective, pictures.first), caption, 16), caption);
  }
  report.set_json(json);
  return report;
}

void add_effective(const Context& context, const Model& model, const FieldOptions& options, const Pictures& pictures,
                   std::vector<Row>& rows) {
  const Engine engine = exact_engine(options);
  EffectiveFieldOptions how;
  how.runs = options.runs > 0 ? options.runs : kRunsOfMany;
  how.pictures = pictures.inputs;
  for (Row& row : rows) {
    const Shape& s = row.shape;
    if (s.rank() != 4 && s.rank() != 2) {
      row.no_effective = "no layer with units";
      continue;
    }
    try {
      row.effective = effective_field(context, model, {row.node, 0}, *engine.backend, engine.compile_options, how);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::unsupported) throw;
      row.no_effective = e.message();
    }
  }
}

// The boxes of the middle units wherever the field grows, innermost first: evenly chosen where there are many.
std::vector<FieldBox> boxes_of(const std::vector<Row>& rows, size_t& found) {
  constexpr size_t kMost = 16;
  std::vector<FieldBox> boxes;
  std::string last;
  for (const Row& r : rows) {
    if (is_whole(r) || r.shape.rank() != 4 || size_text(r) == last) continue;
    last = size_text(r);
    boxes.push_back({printable(r.name), last, r.rows, r.columns});
  }
  found = boxes.size();
  if (found <= kMost) return boxes;
  std::vector<FieldBox> chosen;
  for (size_t i = 0; i < kMost; ++i) chosen.push_back(boxes[i * (found - 1) / (kMost - 1)]);
  return chosen;
}

Report all_layers(const Context& context, const Model& model, const FieldOptions& options) {
  require(options.units.empty() && options.at.empty(), ErrorKind::usage,
          "--units and --at are for one layer; name it with --layer");
  const Network network(model);
  std::vector<Row> rows = network.rows(options.all);
  const Pictures pictures =
      read_pictures(context, model, options, options.effective && options.runs > 0 ? options.runs : kRunsOfMany);
  if (options.effective) add_effective(context, model, options, pictures, rows);
  Report report;
  report.text = fmt::format("{}: what the units of each layer see of {} x {} pixels\n\n",
                            coloured(printable(model.meaning.name), Ink::bold), model.graph.shape(network.input)[2],
                            model.graph.shape(network.input)[3]) +
                table_text(rows, options.effective);
  Json layers = Json::array();
  for (const Row& row : rows) layers.push_back(row_json(row));
  Json json = {{"model", printable(model.meaning.name)}, {"layers", layers}};
  if (!options.output.empty()) {
    size_t found = 0;
    const std::vector<FieldBox> boxes = boxes_of(rows, found);
    require(!boxes.empty(), ErrorKind::usage,
            "the network has no layers with maps of several positions, so there is nothing to draw");
    const std::string caption = fmt::format("{}: the receptive fields of middle units, {} of {} sizes",
                                            printable(model.meaning.name), boxes.size(), found);
    const Shape& input = model.graph.shape(network.input);
    write_picture(report, json, options.output,
                  with_caption(field_boxes_figure(boxes, pictures.first, input[2], input[3]), caption, 16), caption);
  }
  report.set_json(json);
  return report;
}

}  // namespace

OptionList describe(FieldOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"--layer", "NAME", "this layer, with its effective field; all layers unless given", &o.layer},
             {"-o,--output", "FILE.png", "draw the field, or those of the layers as boxes", &o.output},
             {"--image", "PICTURE",
              "a picture, or a folder of them, to take gradients on and to draw on (may be repeated); else noise",
              &o.images},
             {"--units", "LIST", "with --layer: these units in turn, such as 0-7 or all; drawn at random unless given",
              &o.units},
             {"--at", "Y,X", "with --layer: the position in its maps; the middle unless given", &o.at},
             {"--runs",
              "N",
              "gradients that are averaged, each of one unit on one picture; 0: 32 for one layer, 8 for each of "
              "several",
              &o.runs,
              false,
              {},
              0,
              1e9},
             {"--effective", "", "without --layer: the effective field of every layer too", &o.effective},
             {"--all", "", "list also layers that see what the layer before them sees", &o.all}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const FieldOptions& options) {
  require_picture_output(options.output);
  const Model model = open(context, options.model);
  return options.layer.empty() ? all_layers(context, model, options) : one_layer(context, model, options);
}

Command field_command() {
  return make_command<FieldOptions>(
      "field", "which pixels the units of a layer can see, and which they listen to",
      "The theoretical receptive field follows from the graph: its size, how far apart neighbours look, and the exact "
      "box of one unit. The effective field is measured: the energy of the gradient of a unit with respect to the "
      "picture, averaged over units and pictures, or over noise.",
      {{"fovea field model.onnx", "a table of all layers"},
       {"fovea field model.onnx --layer relu4_1 --image cat.jpg -o field.png", "one layer, drawn on a picture"},
       {"fovea field zoo:resnet18 --effective -o fields.png", "how much of its field an untrained network uses"}},
      run);
}

}  // namespace fovea
