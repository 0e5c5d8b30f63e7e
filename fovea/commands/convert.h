#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct ConvertOptions {
  ModelOptions model;
  std::string output, name, licence;
  std::string column;  // of a fractal network: its number from 1, "deepest", or empty for all of it
  bool half = false;
};
OptionList describe(ConvertOptions& options);

// Writes the model in the format that the output's ending names (formats/save.h).
Report run(const Context& context, const ConvertOptions& options);
Command convert_command();

}  // namespace fovea
