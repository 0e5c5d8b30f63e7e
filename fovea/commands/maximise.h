#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/insight/maximisation.h"

namespace fovea {

struct MaximiseOptions {
  ModelOptions model;
  EngineOptions engine;
  MaximisationSettings settings;
  std::vector<std::string> units, classes;
  std::string objective, output, save;
  std::string plan;  // a picture whose plans are followed
  bool profile = false;
  bool neuron = false, correlated = false;
  int64_t pictures = 1, between = 0;
  double diversity = 2;
  int64_t batch = 0, memory = 0, seed = 0, columns = 0, tile = 0;
};
OptionList describe(MaximiseOptions& options);

// Pictures that units, classes or any objective answer to most, as one sheet.
Report run(const Context& context, const MaximiseOptions& options);
Command maximise_command();

}  // namespace fovea
