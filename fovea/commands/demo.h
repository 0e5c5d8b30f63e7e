#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DemoOptions {
  std::string output = "fovea-demo";
  int64_t seed = 1;
  int64_t steps = 400;
  bool train = false;  // even when the real network is there
};
OptionList describe(DemoOptions& options);

// Inspects the real network when FOVEA_DATA holds it; otherwise trains a small one on drawn shapes first.
Report run(const Context& context, const DemoOptions& options);
Command demo_command();

}  // namespace fovea
