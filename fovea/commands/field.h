#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct FieldOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string layer, units, at, output;
  std::vector<std::string> images;
  int64_t runs = 0;
  bool effective = false, all = false;
};
OptionList describe(FieldOptions& options);

// What the units of a layer can see, and what they listen to; or of all layers.
Report run(const Context& context, const FieldOptions& options);
Command field_command();

}  // namespace fovea
