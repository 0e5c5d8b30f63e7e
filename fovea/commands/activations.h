#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct ActivationsOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string image, output;
  std::vector<std::string> layers;
  std::string scale = "own", colours = "inferno";
  int64_t maps = 8, tile = 0;
  bool plain_maps = false, no_boxes = false;
};
OptionList describe(ActivationsOptions& options);

// The strongest feature maps of each layer over the picture, with statistics.
Report run(const Context& context, const ActivationsOptions& options);
Command activations_command();

}  // namespace fovea
