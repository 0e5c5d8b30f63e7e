#include "fovea/commands/zoo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/commands/summary.h"
#include "fovea/formats/builtin.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/layer_count.h"
#include "fovea/model/zoo/vgg_table.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// The model as it is asked for.
Model described(const Architecture& architecture, const ZooCommandOptions& options) {
  return build(architecture,
               {.classes = options.classes, .height = options.size, .width = options.size, .heads = options.heads});
}

Report list_of(const std::vector<const Architecture*>& chosen, const ZooCommandOptions& options) {
  Table table({{"name", false},
               {"input", true},
               {"parameters", true},
               {"multiply-adds", true},
               {"depth", true},
               {"year", true},
               {"paper", false, 72}});
  Json list = Json::array(), refused = Json::array();
  std::string family, refusals;
  for (const Architecture* a : chosen) {
    Model model;
    try {
      model = described(*a, options);
    } catch (const Error& e) {  // a size or a number of classes that this one cannot have
      if (e.kind() != ErrorKind::usage) throw;
      refused.push_back({{"name", a->name}, {"reason", e.message()}});
      refusals += fmt::format("left out: {}\n", e.message());
      continue;
    }
    const ModelStatistics s = statistics_of(model);
    const Shape& shape = model.graph.shape(model.graph.inputs()[0]);
    const Shape input(std::vector<int64_t>(shape.begin() + 1, shape.end()));
    if (!family.empty() && family != a->family) table.add_rule();
    family = a->family;
    table.add({a->name, to_string(input), fmt::format("{}", s.parameters), short_number(s.macs),
               fmt::format("{}", a->depth), fmt::format("{}", a->year), a->paper});
    list.push_back({{"name", a->name},
                    {"family", a->family},
                    {"input", std::vector<int64_t>(input)},
                    {"classes", options.classes > 0 ? options.classes : a->classes},
                    {"parameters", s.parameters},
                    {"macs", s.macs},
                    {"depth", a->depth},
                    {"year", a->year},
                    {"paper", a->paper},
                    {"preprocess", a->preprocess}});
  }
  Report report;
  report.text = table.text() + "\n" + refusals;
  report.text += fmt::format("{} architectures; `fovea zoo NAME` shows one layer by layer\n", list.size());
  Json result = {{"architectures", list}};
  if (options.name.empty()) {
    report.text += fmt::format("trained networks that fovea carries: {}; `fovea summary NAME` shows one\n",
                               fmt::join(builtin_models(), ", "));
    result["builtin"] = builtin_models();
  }
  if (!refused.empty()) result["refused"] = refused;
  report.set_json(result);
  return report;
}

Report layer_report(const ZooCommandOptions& options) {
  const LayerDescription layer = parse_layer(options.layer, options.input);
  const LayerCount count = count_layer(layer);
  const auto line = [](std::string_view what, int64_t value) {
    return fmt::format("{:<14} {:>20}  {}\n", what, value, short_number(static_cast<double>(value)));
  };
  Report report;
  report.text = coloured(describe(layer), Ink::bold) + "\n";
  report.text +=
      fmt::format("{:<14} {:>20}\n", "output", fmt::format("{}x{}x{}", count.channels, count.height, count.width));
  report.text += line("weights", count.weights) + line("biases", count.biases);
  report.text += line("multiply-adds", count.multiply_adds);
  report.set_json({{"layer", describe(layer)},
                   {"output", {count.channels, count.height, count.width}},
                   {"weights", count.weights},
                   {"biases", count.biases},
                   {"macs", count.multiply_adds}});
  return report;
}

Report table_report(const std::vector<const Architecture*>& chosen, std::string_view asked) {
  const bool vgg = !chosen.empty() && chosen[0]->family == "VGG";
  require(vgg, ErrorKind::usage, "there is no table of \"{}\"; `fovea zoo vgg --table` prints that of VGG", asked);
  Report report;
  report.text = vgg_table();
  report.set_json({{"table", report.text}});
  return report;
}

// One architecture of that name, or all of a family; all of the zoo for no name.
std::vector<const Architecture*> chosen_by(std::string_view name) {
  require(!is_builtin(name), ErrorKind::usage,
          "{}: a trained network, not an architecture: `fovea summary {}` shows it", name, name);
  if (name.starts_with("zoo:")) name.remove_prefix(4);
  if (const Architecture* a = find_architecture(name)) return {a};
  std::vector<const Architecture*> chosen;
  std::vector<std::string> names;
  for (const Architecture& a : architectures()) {
    if (name.empty() || lower(name) == lower(a.family)) chosen.push_back(&a);
    names.push_back(a.name);
    names.push_back(lower(a.family));
  }
  const std::string builtin = perhaps_builtin(name);
  require(!chosen.empty(), ErrorKind::usage, "the zoo has no \"{}\"{} (`fovea zoo` lists it)", name,
          builtin.empty() ? did_you_mean(name, names) : builtin);
  return chosen;
}

}  // namespace

OptionList describe(ZooCommandOptions& o) {
  return {
      {"NAME", "", "an architecture, as vgg16, or a family, as vgg; all when not given", &o.name},
      {"--table", "", "the configuration table of the family's paper (VGG)", &o.table},
      {"--layer", "TEXT",
       "count a described layer instead: \"full N\", \"local KxK N\" or \"conv KxK N\", then any of stride N, pad N, "
       "valid (no padding), connections N (connected pairs of maps); without pad, a window around every place",
       &o.layer},
      {"--input", "HxW", "what the described layer sees, or CxHxW", &o.input},
      {"--classes", "N", "classes of the last layer; 0: as published", &o.classes, false, {}, 0, 1e6},
      {"--size", "N", "side of the picture; 0: as published", &o.size, false, {}, 0, 16384},
      {"--heads", "", "with the auxiliary classifiers that are used in training", &o.heads},
      {"--all", "", "list every node of an architecture, also those that only move elements", &o.all},
  };
}

Report run(const Context&, const ZooCommandOptions& options) {
  if (!options.layer.empty()) {
    require(options.name.empty() && !options.table, ErrorKind::usage,
            "--layer describes a layer by itself; it does not go with a NAME or --table");
    require(!options.input.empty(), ErrorKind::usage, "--layer needs --input, the size of what the layer sees");
    return layer_report(options);
  }
  require(options.input.empty(), ErrorKind::usage, "--input goes with --layer");
  const std::vector<const Architecture*> chosen = chosen_by(options.name);
  if (options.table)
    return table_report(options.name.empty() ? std::vector<const Architecture*>{} : chosen, options.name);
  if (chosen.size() > 1) return list_of(chosen, options);
  const Model model = described(*chosen[0], options);
  require(!options.heads || model.graph.outputs.size() > 1, ErrorKind::usage, "{} has no auxiliary classifiers",
          chosen[0]->name);
  return summarise(model, options.all);
}

Command zoo_command() {
  return make_command<ZooCommandOptions>(
      "zoo", "the architectures that fovea knows by name",
      "Lists every architecture with its input, parameters (trainable values, no running statistics), multiply-adds, "
      "depth, year and paper; or shows one of them layer by layer, as `fovea summary` does. No weights are made.",
      {{"fovea zoo", "all of them"},
       {"fovea zoo vgg16", "the layers of one"},
       {"fovea zoo vgg --table", "the configurations of the VGG paper, printed from the code that builds them"},
       {"fovea zoo --layer \"conv 10x10 100\" --input 200x200", "the weights and the work of a described layer"}},
      run);
}

}  // namespace fovea
