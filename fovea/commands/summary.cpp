#include "fovea/commands/summary.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/stated_test.h"
#include "fovea/model/statistics.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

std::string field_text(const std::vector<ReceptiveField>& fields) {
  if (fields.empty()) return "";
  bool whole = true, square = true;
  for (const auto& f : fields) whole = whole && f.whole, square = square && f == fields[0];
  if (whole) return "whole input";
  auto one = [](const ReceptiveField& f) { return f.whole ? "all" : fmt::format("{:g} /{:g}", f.size, f.stride); };
  if (square) return one(fields[0]);
  std::string text;
  for (const auto& f : fields) text += (text.empty() ? "" : " x ") + one(f);
  return text;
}

Json field_json(const std::vector<ReceptiveField>& fields) {
  Json list = Json::array();
  for (const auto& f : fields) {
    Json j = {{"size", f.size}, {"stride", f.stride}, {"offset", f.offset}};
    if (f.whole) j["whole"] = true;
    list.push_back(j);
  }
  return list;
}

std::string totals(const Model& model, const ModelStatistics& s) {
  std::string text =
      fmt::format("{}, {} parameters ({}), {} multiply-adds\n", counted(s.layers.size(), "layer"),
                  coloured(short_number(static_cast<double>(s.parameters)), Ink::bold),
                  short_bytes(static_cast<double>(s.weight_bytes)), coloured(short_number(s.macs), Ink::bold));
  text += fmt::format("memory of a run: {} weights + {} activations at once\n",
                      short_bytes(static_cast<double>(s.weight_bytes)),
                      short_bytes(static_cast<double>(s.activation_bytes)));
  if (model.meaning.preprocess)
    text += fmt::format("pictures: {}{}\n", describe(*model.meaning.preprocess),
                        model.meaning.preprocess_stated ? "" : " (assumed)");
  if (!model.meaning.classes.empty())
    text += fmt::format("classes: {} ({}, {}, …)\n", model.meaning.classes.size(), printable(model.meaning.classes[0]),
                        printable(model.meaning.classes.size() > 1 ? model.meaning.classes[1] : ""));
  text += "receptive field: size /stride, in pixels of the input\n";
  return text;
}

// What the file says of the network besides: what it is, how it was trained and how good it is.
std::string said_of(const Meaning& meaning) {
  std::string text;
  const auto say = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}: {}\n", what, printable(value));
  };
  if (!meaning.description.empty()) text += printable(meaning.description) + "\n";
  say("source", meaning.source);
  say("trained on", metadata_of(meaning, "trained_on"));
  if (const auto test = stated_test(meaning))
    text += fmt::format("test: {} of {}, {} right\n", counted(test->errors, "error"), test->count,
                        coloured(fmt::format("{:.2f} %", 100 * test->accuracy()), Ink::bold));
  say("licence", meaning.licence);
  return text.empty() ? "" : text + "\n";
}

Json meaning_json(const Meaning& meaning) {
  Json json = {{"name", printable(meaning.name)}};
  const auto say = [&](const char* what, const std::string& value) {
    if (!value.empty()) json[what] = printable(value);
  };
  say("description", meaning.description);
  say("source", meaning.source);
  say("licence", meaning.licence);
  say("trained_on", metadata_of(meaning, "trained_on"));
  if (const auto test = stated_test(meaning))
    json["test"] = {{"count", test->count}, {"errors", test->errors}, {"top1", test->accuracy()}};
  const std::string recipe = metadata_of(meaning, "recipe");
  if (!recipe.empty()) json["recipe"] = recipe;
  if (!meaning.classes.empty()) {
    json["classes"] = Json::array();
    for (const std::string& name : meaning.classes) json["classes"].push_back(printable(name));
  }
  return json;
}

}  // namespace

OptionList describe(SummaryOptions& o) {
  return describe(o.model) + OptionList{{"--all", "", "list every node, also those that only move elements", &o.all}};
}

Report run(const Context& context, const SummaryOptions& options) {
  return summarise(open(context, options.model), options.all);
}

Report summarise(const Model& model, bool all) {
  const ModelStatistics s = statistics_of(model);
  Table table({{"layer", false, 34},
               {"operator", false, 22},
               {"output", true, 24},
               {"parameters", true},
               {"multiply-adds", true},
               {"receptive field", true}});
  for (const Value v : model.graph.inputs())
    table.add({printable(model.graph.node(v).name), "input", to_string(model.graph.shape(v)), "", "", ""});
  Json layers = Json::array();
  int64_t left_out = 0;
  for (const LayerStatistics& layer : s.layers) {
    const Node& node = model.graph.node(layer.node);
    const Shape& shape = node.outputs[0].shape;
    layers.push_back({{"name", printable(node.name)},
                      {"op", node.op->name},
                      {"shape", std::vector<int64_t>(shape)},
                      {"parameters", layer.parameters},
                      {"macs", layer.macs},
                      {"receptive_field", field_json(layer.receptive_field)}});
    const bool moves = layer.flops == 0 && layer.parameters == 0 && node.op->name != "concat";
    if (moves && !all && s.layers.size() > 40) {
      ++left_out;
      continue;
    }
    table.add({printable(node.name), std::string(node.op->name), to_string(shape),
               layer.parameters ? short_number(static_cast<double>(layer.parameters)) : "",
               layer.macs > 0 ? short_number(layer.macs) : "", field_text(layer.receptive_field)});
  }
  Report report;
  report.text = coloured(printable(model.meaning.name), Ink::bold) + "\n" + said_of(model.meaning) + table.text() +
                "\n" + totals(model, s);
  if (left_out)
    report.text += fmt::format("left out, for only moving elements: {} (--all shows all)\n", counted(left_out, "node"));
  Json inputs = Json::array(), outputs = Json::array();
  for (const Value v : model.graph.inputs())
    inputs.push_back(
        {{"name", printable(model.graph.node(v).name)}, {"shape", std::vector<int64_t>(model.graph.shape(v))}});
  for (const auto& o : model.graph.outputs)
    outputs.push_back({{"name", printable(o.name)}, {"shape", std::vector<int64_t>(model.graph.shape(o.value))}});
  Json json = meaning_json(model.meaning);
  json.update({{"parameters", s.parameters},
               {"macs", s.macs},
               {"flops", s.flops},
               {"weight_bytes", s.weight_bytes},
               {"activation_bytes", s.activation_bytes},
               {"inputs", inputs},
               {"outputs", outputs},
               {"layers", layers}});
  report.set_json(json);
  return report;
}

Command summary_command() {
  return make_command<SummaryOptions>(
      "summary", "every layer of a network at a glance",
      "Lists each layer with its operator, output shape, parameters, multiply-adds and receptive field (the pixels of "
      "the input that one "
      "of its units sees, and how far apart neighbouring units look), then the totals and the memory of a run.",
      {{"fovea summary model.onnx", "the table"},
       {"fovea summary builtin:cifar10", "a network that fovea carries: its layers and how good it is"},
       {"fovea summary model.onnx --size 448", "the same network on pictures of 448x448"},
       {"fovea summary model.onnx --json | jq '.layers[] | select(.macs > 1e8) | .name'",
        "the names of the heavy layers"}},
      run);
}

}  // namespace fovea
