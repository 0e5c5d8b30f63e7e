#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct InspectOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string image, output;
  int64_t top = 5, maps = 12;
};
OptionList describe(InspectOptions& options);

// One page that shows what the network sees in a picture and what is inside it.
Report run(const Context& context, const InspectOptions& options);
Command inspect_command();

}  // namespace fovea
