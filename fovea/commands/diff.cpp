#include "fovea/commands/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/base/counted.h"
#include "fovea/commands/diff_page.h"
#include "fovea/image/codec.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

Json distance_json(const Distance& d, const Shape& shape) {
  Json j = {{"identical", d.same_bits}, {"relative_l2", d.relative}, {"cosine", d.cosine}, {"largest", d.largest}};
  if (d.at >= 0) {
    Json at = Json::array();
    const std::vector<int64_t> strides = shape.strides();
    int64_t rest = d.at;
    for (size_t i = 0; i < shape.size(); ++i) at.push_back(rest / strides[i]), rest %= strides[i];
    j["at"] = at;
  }
  if (d.not_finite > 0) j["not_finite"] = d.not_finite;
  return j;
}

Json attribute_json(const std::vector<AttributeDifference>& attributes) {
  Json list = Json::array();
  for (const AttributeDifference& d : attributes) list.push_back({{"name", d.name}, {"a", d.a}, {"b", d.b}});
  return list;
}

Json alone_json(const std::vector<LayerAlone>& layers) {
  Json list = Json::array();
  for (const LayerAlone& l : layers)
    list.push_back({{"name", l.name}, {"op", l.op}, {"shape", std::vector<int64_t>(l.shape)}});
  return list;
}

Json weights_json(const Comparison& c) {
  Json list = Json::array();
  for (const auto& [pair, w] : c.weights) {
    Json j = {
        {"layer_a", pair->name_a}, {"layer_b", pair->name_b}, {"a", w->a}, {"b", w->b}, {"comparable", w->comparable}};
    if (!w->a.empty()) j["shape_a"] = std::vector<int64_t>(w->type_a.shape), j["type_a"] = to_string(w->type_a.dtype);
    if (!w->b.empty()) j["shape_b"] = std::vector<int64_t>(w->type_b.shape), j["type_b"] = to_string(w->type_b.dtype);
    if (w->comparable) j.update(distance_json(w->distance, w->type_a.shape));
    list.push_back(j);
  }
  return list;
}

Json guesses_json(const std::vector<Guess>& guesses) {
  Json list = Json::array();
  for (const Guess& g : guesses)
    list.push_back({{"class", g.index}, {"name", g.name}, {"probability", g.probability}, {"score", g.score}});
  return list;
}

Json picture_json(const Comparison& c) {
  const PictureDifference& p = *c.picture;
  Json layers = Json::array();
  for (const ActivationDifference& l : p.answers.layers) {
    const LayerPair& pair = c.models.pairs[static_cast<size_t>(l.pair)];
    Json j = {{"a", pair.name_a}, {"b", pair.name_b}, {"comparable", l.comparable}};
    if (l.comparable) j.update(distance_json(l.distance, pair.shape_a));
    layers.push_back(j);
  }
  const int first = p.answers.first;
  return {
      {"picture", p.name},
      {"tolerance", c.tolerance},
      {"first_divergence", first < 0 ? Json() : layers[static_cast<size_t>(first)]},
      {"layers", layers},
      {"scores", p.answers.scores_comparable ? distance_json(p.answers.scores, p.answers.scores_a.shape()) : Json()},
      {"agree", p.agree()},
      {"guesses_a", guesses_json(p.guesses_a)},
      {"guesses_b", guesses_json(p.guesses_b)}};
}

Json comparison_json(const Comparison& c, const DiffOptions& options) {
  const ModelDifference& m = c.models;
  Json changed = Json::array(), renamed = Json::array();
  for (const LayerPair& pair : m.pairs) {
    if (pair.renamed()) renamed.push_back({{"a", pair.name_a}, {"b", pair.name_b}});
    if (pair.changed())
      changed.push_back({{"a", pair.name_a},
                         {"b", pair.name_b},
                         {"op", pair.op},
                         {"attributes", attribute_json(pair.attributes)},
                         {"shape_a", std::vector<int64_t>(pair.shape_a)},
                         {"shape_b", std::vector<int64_t>(pair.shape_b)},
                         {"inputs_differ", pair.inputs_differ}});
  }
  Json json = {{"a", options.model.model},
               {"b", options.other},
               {"same", c.same()},
               {"same_structure", m.same_structure()},
               {"same_weights", m.same_weights()},
               {"same_names", m.same_names()},
               {"matched", m.pairs.size()},
               {"removed", alone_json(m.removed)},
               {"added", alone_json(m.added)},
               {"changed", changed},
               {"renamed", renamed},
               {"meaning", attribute_json(m.meaning)},
               {"weights", weights_json(c)}};
  if (c.picture) json["activations"] = picture_json(c);
  return json;
}

std::string structure_text(const Comparison& c) {
  const ModelDifference& m = c.models;
  Table table({{""}, {"layer", false, 48}, {"operator"}, {"difference", false, 90}});
  size_t rows = 0;
  for (const LayerPair& pair : m.pairs)
    if (pair.changed())
      ++rows, table.add({coloured("~", Ink::yellow), printable(shown_name(pair)), pair.op, changes_text(pair)});
  for (const LayerAlone& l : m.removed)
    ++rows, table.add({coloured("-", Ink::red), printable(l.name), l.op, "only in A: " + to_string(l.shape)});
  for (const LayerAlone& l : m.added)
    ++rows, table.add({coloured("+", Ink::green), printable(l.name), l.op, "only in B: " + to_string(l.shape)});
  for (const AttributeDifference& d : m.meaning)
    ++rows, table.add({coloured("~", Ink::yellow), d.name, "", printable(d.a + " → " + d.b)});
  return rows ? "\n" + coloured("structure", Ink::bold) + "\n" + table.text() : "";
}

std::string renamed_text(const Comparison& c) {
  std::string text;
  size_t count = 0;
  for (const LayerPair& pair : c.models.pairs)
    if (pair.renamed() && ++count <= 4) text += (text.empty() ? "" : ", ") + printable(shown_name(pair));
  return count ? fmt::format("\nunder other names: {} of {}: {}{}\n", count, counted(c.models.pairs.size(), "layer"),
                             text, count > 4 ? ", …" : "")
               : "";
}

std::string weights_text(const Comparison& c, size_t most) {
  Table table({{"weight", false, 44},
               {"shape", true, 24},
               {"relative L2", true},
               {"cosine", true},
               {"largest change", true},
               {"at"}});
  size_t rows = 0, equal = 0;
  for (const auto& [pair, w] : c.weights) {
    equal += !w->differs();
    if (!w->differs() || ++rows > most) continue;
    const std::string name = printable(w->a == w->b || w->b.empty() ? w->a : w->a.empty() ? w->b : w->a + " → " + w->b);
    const std::string shape = to_string(w->a.empty() ? w->type_b.shape : w->type_a.shape);
    const Distance& d = w->distance;
    if (!w->comparable)
      table.add({name, shape,
                 coloured(w->a.empty()   ? "only in B"
                          : w->b.empty() ? "only in A"
                                         : "→ " + to_string(w->type_b.shape),
                          Ink::red)});
    else
      table.add({name, shape, coloured(distance_text(d.relative), d.relative > 1e-2 ? Ink::red : Ink::yellow),
                 fmt::format("{:.6f}", d.cosine), distance_text(d.largest), place_text(w->type_a.shape, d.at)});
  }
  if (c.weights.empty() || rows == 0) return "";
  std::string text = "\n" + coloured("weights", Ink::bold) + "\n" + table.text();
  if (rows > most) text += fmt::format("… and {} more (--all)\n", rows - most);
  return text + fmt::format("identical, bit for bit: {} of {}\n", equal, counted(c.weights.size(), "weight"));
}

std::string activations_text(const Comparison& c, bool all) {
  const PictureDifference& p = *c.picture;
  const auto identical = [](const ActivationDifference& l) { return l.comparable && l.distance.same_bits; };
  if (!all && std::all_of(p.answers.layers.begin(), p.answers.layers.end(), identical))
    return fmt::format("\nthe same answers, bit for bit, in {}\n", counted(p.answers.layers.size(), "layer"));
  Table table({{"layer", false, 48},
               {"output", true, 20},
               {"relative L2", true},
               {"cosine", true},
               {"largest difference", true}});
  size_t left_out = 0;
  for (size_t i = 0; i < p.answers.layers.size(); ++i) {
    const ActivationDifference& l = p.answers.layers[i];
    const LayerPair& pair = c.models.pairs[static_cast<size_t>(l.pair)];
    const bool first = static_cast<int>(i) == p.answers.first;
    if (!all && !first && pair.weights.empty() && p.answers.layers.size() > 24 && i + 1 < p.answers.layers.size()) {
      ++left_out;
      continue;
    }
    const std::string name = printable(shown_name(pair));
    if (!l.comparable) {
      table.add({name, to_string(pair.shape_a), "→ " + to_string(pair.shape_b)});
      continue;
    }
    const bool apart = !(l.distance.relative <= c.tolerance);
    table.add({first ? coloured(name, Ink::red) : name, to_string(pair.shape_a),
               coloured(distance_text(l.distance.relative), apart ? Ink::red : Ink::green),
               fmt::format("{:.6f}", l.distance.cosine), distance_text(l.distance.largest)});
  }
  std::string text = "\n" + coloured("activations", Ink::bold) + "\n" + table.text();
  if (left_out) text += fmt::format("left out: {} without weights (--all)\n", counted(left_out, "layer"));
  return text;
}

std::string answers_text(const Comparison& c) {
  const PictureDifference& p = *c.picture;
  std::string text;
  if (p.answers.first < 0) {
    text = fmt::format("no matched layer is further apart than {:g}\n", c.tolerance);
  } else {
    const ActivationDifference& l = p.answers.layers[static_cast<size_t>(p.answers.first)];
    text = fmt::format("they part at {}: relative L2 {} is above {:g}\n",
                       coloured(printable(shown_name(c.models.pairs[static_cast<size_t>(l.pair)])), Ink::red),
                       distance_text(l.distance.relative), c.tolerance);
  }
  Table table({{"A", true}, {"guess of A", false, 40}, {"B", true}, {"guess of B", false, 40}});
  for (size_t i = 0; i < std::max(p.guesses_a.size(), p.guesses_b.size()); ++i) {
    std::vector<std::string> cells;
    for (const std::vector<Guess>* guesses : {&p.guesses_a, &p.guesses_b}) {
      const bool there = i < guesses->size();
      cells.push_back(there ? fmt::format("{:.2f} %", (*guesses)[i].probability * 100) : "");
      cells.push_back(there ? printable((*guesses)[i].name) : "");
    }
    const bool same = i < p.guesses_a.size() && i < p.guesses_b.size() && p.guesses_a[i].index == p.guesses_b[i].index;
    cells[3] = coloured(cells[3], same ? Ink::green : Ink::red);
    table.add(cells);
  }
  return text + "\n" + coloured("guesses", Ink::bold) + "\n" + table.text();
}

PictureDifference compare_on_picture(const Model& a, const Model& b, const ModelDifference& difference,
                                     const DiffOptions& options) {
  for (const Model* m : {&a, &b})
    require(m->meaning.preprocess.has_value(), ErrorKind::usage, "{}: it is not known how pictures become its input",
            m->meaning.name);
  const Image picture = read_image(options.image);
  const Engine engine(options.engine);
  PictureDifference result;
  result.name = fs::path(options.image).filename().string();
  result.seen_a = fit_picture(picture, *a.meaning.preprocess);
  result.seen_b = fit_picture(picture, *b.meaning.preprocess);
  result.answers = answer_difference(a, b, difference, normalise(result.seen_a, *a.meaning.preprocess),
                                     normalise(result.seen_b, *b.meaning.preprocess), options.tolerance,
                                     *engine.backend, engine.compile_options);
  result.guesses_a = best_guesses(result.answers.scores_a, a.meaning, 5);
  result.guesses_b = best_guesses(result.answers.scores_b, b.meaning, 5);
  return result;
}

// Matched weights, the furthest apart first: those of other shapes, then by relative distance.
void sort_weights(Comparison& c) {
  for (const LayerPair& pair : c.models.pairs)
    for (const WeightDifference& w : pair.weights) c.weights.emplace_back(&pair, &w);
  const auto rank = [](const auto& entry) {
    const WeightDifference& w = *entry.second;
    return !w.comparable || w.distance.not_finite > 0 ? 1e300 : std::min(w.distance.relative, 1e299);
  };
  std::stable_sort(c.weights.begin(), c.weights.end(), [&](const auto& x, const auto& y) { return rank(x) > rank(y); });
}

void check_output(const std::string& output) {
  if (output.empty()) return;
  require(fs::path(output).extension() == ".html", ErrorKind::usage, "{}: the page is written as .html; try {}", output,
          fs::path(output).replace_extension(".html").string());
  const fs::path folder = fs::path(output).has_parent_path() ? fs::path(output).parent_path() : fs::path(".");
  writing([&] {
    require(fs::is_directory(folder) && !fs::is_directory(output), ErrorKind::io, "{}: cannot be written: {}", output,
            fs::is_directory(output) ? "it is a folder" : fmt::format("there is no folder {}", folder.string()));
  });
}

}  // namespace

OptionList describe(DiffOptions& o) {
  OptionList model = describe(o.model);
  model[0].name = "A", model[0].help = "the first network";
  return OptionList{model[0],
                    {"B", "", "the second network", &o.other, true},
                    {"IMAGE", "", "a picture: also compares what the layers answer to it", &o.image},
                    {"-o,--output", "FILE.html", "a page with all of it", &o.output},
                    {"--tolerance",
                     "X",
                     "relative L2 from which an activation counts as apart",
                     &o.tolerance,
                     false,
                     {},
                     0,
                     10},
                    {"--top", "N", "weights that are listed", &o.top, false, {}, 1, 100000},
                    {"--all", "", "list all weights that differ and all layers", &o.all},
                    {"--exit-code", "", "exit with 1 when the networks differ in more than names", &o.exit_code}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const DiffOptions& options) {
  check_output(options.output);
  if (!options.image.empty()) require_file(options.image, "a picture");
  ModelOptions second;  // what says how A's file is read does not say it of B's
  second.model = options.other;
  second.preprocess = options.model.preprocess, second.labels = options.model.labels;
  second.size = options.model.size, second.crop = options.model.crop;
  const Model a = open(context, options.model), b = open(context, second);
  Comparison c;
  c.name_a = fs::path(options.model.model).filename().string(), c.name_b = fs::path(options.other).filename().string();
  if (c.name_a == c.name_b) c.name_a = options.model.model, c.name_b = options.other;
  c.tolerance = options.tolerance;
  context.report({"comparing", 0, 2, "layers and weights"});
  c.models = difference_of(a, b);
  sort_weights(c);
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  context.report({"comparing", 1, 2, "activations"});
  if (!options.image.empty()) c.picture = compare_on_picture(a, b, c.models, options);
  context.report({"comparing", 2, 2, ""});
  Report report;
  report.text = fmt::format("{} {}\n", coloured(c.same() ? "=" : "≠", c.same() ? Ink::green : Ink::yellow),
                            printable(verdict(c)));
  const size_t most = options.all ? c.weights.size() : static_cast<size_t>(options.top);
  report.text += structure_text(c) + renamed_text(c) + weights_text(c, most);
  if (c.picture) report.text += activations_text(c, options.all) + answers_text(c);
  Json json = comparison_json(c, options);
  if (!options.output.empty()) {
    writing([&] { write_file(options.output, comparison_page(c)); });
    report.files.push_back(options.output);
    report.text += "\nthe page: " + coloured(printable(options.output), Ink::cyan) + "\n";
    json["page"] = options.output;
  }
  report.set_json(json);
  report.failed = options.exit_code && !c.same();
  return report;
}

Command diff_command() {
  return make_command<DiffOptions>(
      "diff", "what differs between two networks: layers, weights, activations",
      "Matches the layers of two networks, by name first, then by what they compute, so that a network with other "
      "names "
      "is recognised. Lists layers that were removed, added or changed, how far each weight has moved (identical bits "
      "are told from nearly equal ones) and, given a picture, the first layer whose answers part. What is "
      "said of pictures and classes (--preprocess, --size, --crop, --labels) holds for both networks.",
      {{"fovea diff model.onnx converted.onnx cat.jpg", "did the conversion break it?"},
       {"fovea diff before.onnx after.onnx -o changes.html", "what did fine-tuning change?"},
       {"fovea diff a.onnx b.onnx --exit-code --quiet > /dev/null && echo same", "in a script"}},
      run);
}

}  // namespace fovea
