#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/insight/style.h"

namespace fovea {

struct StyleOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string content, output, preset = "modern", start, network;
  std::vector<std::string> styles, masks;
  std::string style_weights, style_layers, style_layer_weights, content_layers, statistics, pooling, tv_form;
  std::string colours = "style", optimiser, memory, resume, plan, report;
  // Below 0: as the preset has it.
  double content_weight = -1, style_weight = -1, tv_weight = -1, average = -1, rate = 0, style_scale = 0;
  int64_t size = 512, steps = 0, first_steps = 0, first_size = -1, history = 0, seed = 0, depth = 8, save_every = 0,
          tile = 0;
  bool normalise_weights = false, normalise_gradients = false, open = false;
};
OptionList describe(StyleOptions& options);

// The preset with what the options say besides.
StyleSettings style_settings(const StyleOptions& options);

// Paints one picture in the style of others.
Report run(const Context& context, const StyleOptions& options);
Command style_command();

}  // namespace fovea
