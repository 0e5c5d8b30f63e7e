#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct ClassifyOptions {
  ModelOptions model;
  EngineOptions engine;
  std::vector<std::string> images;
  int64_t top = 5;
  std::string truth, output;
};
OptionList describe(ClassifyOptions& options);

// What the network takes each picture for; with the truth, how often it is wrong.
Report run(const Context& context, const ClassifyOptions& options);
Command classify_command();

}  // namespace fovea
