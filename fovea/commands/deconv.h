#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DeconvOptions {
  ModelOptions model;
  EngineOptions engine;
  std::vector<std::string> images;
  std::string layer, layers, unit, rule = "deconvnet", choose = "auto", show = "auto", output;
  int64_t units = 0, patches = 9, tile = 0, batch = 8, memory = 1024;
};
OptionList describe(DeconvOptions& options);

// What units of a layer answered to, brought down to pixels, beside the parts of the pictures that they see.
Report run(const Context& context, const DeconvOptions& options);
Command deconv_command();

}  // namespace fovea
