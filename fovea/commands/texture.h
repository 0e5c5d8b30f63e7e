#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/insight/texture.h"

namespace fovea {

struct TextureOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string image, output, size, layers, layer_weights, statistics = "gatys", pooling = "average",
                                                          optimiser = "lbfgs";
  std::string memory, resume, plan, report;
  double rate = 0;
  int64_t source_size = 256, steps = 300, history = 20, seed = 0, depth = 8, save_every = 0, tile = 0;
  bool tileable = false, match_histogram = false, keep_weights = false, open = false;
};
OptionList describe(TextureOptions& options);

// A new picture with the texture of another, or the plate of what each further layer adds.
Report run(const Context& context, const TextureOptions& options);
Command texture_command();

}  // namespace fovea
