#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fovea/base/nearest.h"
#include "fovea/insight/style.h"
#include "fovea/insight/unit_layers.h"
#include "fovea/model/layers.h"

namespace fovea {

const std::vector<std::string>& style_presets() {
  static const std::vector<std::string> names = {"modern", "gatys", "johnson"};
  return names;
}

StyleSettings style_preset(const std::string& name) {
  StyleSettings s;
  s.preset = name;
  if (name == "gatys") {
    s.content_weight = 1e-3;
    s.start = "noise";
    s.noise_uniform = 128;
    return s;
  }
  if (name == "johnson") {
    s.style_form = "johnson";
    s.content_form = "mean";
    s.share_weights = false;
    s.as_vgg = true;
    s.content_weight = 5;
    s.style_weight = 100;
    s.variation_weight = 1e-3;
    s.variation_form = "interior";
    s.variation_factor = 0.5;  // of which the differences that the tool adds are the gradient
    s.factor = 256.0 / 255;
    s.rule.history = 100;
    s.rule.line_search = false;
    s.steps = 1000;
    s.start = "noise";
    s.noise_normal = 0.001;
    s.noise_around_grey = false;
    return s;
  }
  require(name == "modern", ErrorKind::usage, "there is no preset \"{}\"{}", name, did_you_mean(name, style_presets()));
  s.style_form = "w2";
  s.content_form = "mean";
  s.style_layer_weights = {256, 64, 16, 4, 1};
  s.content_weight = 0.015;
  s.variation_weight = 2;
  s.variation_factor = 1.0 / (3 * 255 * 255);  // the mean over colours 0..1
  s.relative = s.replicated_edges = true;
  s.rule = {.update = "adam", .rate = 0.02, .beta2 = 0.99, .unit = 255, .average = 0.99, .within = true};
  s.first_size = 128;
  s.steps = 500;
  s.first_steps = 1000;
  s.enlarge_style = false;
  s.noise_uniform = 0.5;
  return s;
}

namespace {

bool has_layer(const Model& model, std::string_view name) {
  for (const auto& [alias, node] : model.meaning.aliases)
    if (alias == name) return true;
  return std::any_of(model.graph.nodes().begin(), model.graph.nodes().end(),
                     [&](const Node& node) { return node.name == name; });
}

}  // namespace

StyleLayers style_layers_of(const Model& model) {
  StyleLayers layers;
  for (const char* name : {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"})
    if (has_layer(model, name)) layers.style.push_back(name);
  if (has_layer(model, "relu4_2")) layers.content.push_back("relu4_2");
  if (layers.style.size() == 5 && !layers.content.empty()) return layers;
  layers = {};
  for (int k = 1; has_layer(model, fmt::format("style{}", k)); ++k) layers.style.push_back(fmt::format("style{}", k));
  if (has_layer(model, "content")) layers.content.push_back("content");
  if (!layers.style.empty() && !layers.content.empty()) return layers;
  layers = {};
  std::vector<std::vector<std::string>> by_size;  // names of maps, the largest first
  std::set<std::pair<int64_t, int64_t>> sizes;
  for (const Value layer : unit_layers(model)) {
    const Shape& shape = model.graph.shape(layer);
    if (shape.rank() != 4 || shape[2] * shape[3] <= 1) continue;
    if (sizes.insert({shape[2], shape[3]}).second) by_size.emplace_back();
    if (!by_size.empty()) by_size.back().push_back(model.graph.node(layer).name);
  }
  require(!by_size.empty(), ErrorKind::usage,
          "{} has no rectified maps that a style could be told from: name layers with --style-layers and "
          "--content-layers, or take another network",
          model.meaning.name);
  if (by_size.size() > 5) by_size.resize(5);
  for (const auto& names : by_size) layers.style.push_back(names.front());
  const auto& deep = by_size[std::min<size_t>(3, by_size.size() - 1)];
  layers.content.push_back(deep[std::min<size_t>(1, deep.size() - 1)]);
  return layers;
}

StyleLayers style_layers_of(const Model& model, const StyleSettings& settings) {
  StyleLayers layers{settings.style_layers, settings.content_layers};
  if (!layers.style.empty() && !layers.content.empty()) return layers;
  const StyleLayers found = style_layers_of(model);
  if (layers.style.empty()) layers.style = found.style;
  if (layers.content.empty()) layers.content = found.content;
  return layers;
}

}  // namespace fovea
