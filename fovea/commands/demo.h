#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DemoOptions {
  std::string output = "fovea-demo";
  int64_t seed = 1;
  int64_t steps = 400;
  bool train = false;  // a small network on drawn shapes too, even where FOVEA_DATA holds a large one
};
OptionList describe(DemoOptions& options);

// Inspects SqueezeNet when FOVEA_DATA holds it; otherwise the networks that the program carries, on drawn pictures.
Report run(const Context& context, const DemoOptions& options);
Command demo_command();

}  // namespace fovea
