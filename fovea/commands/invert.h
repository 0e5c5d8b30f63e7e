#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/insight/inversion.h"

namespace fovea {

struct InvertOptions {
  ModelOptions model;
  EngineOptions engine;
  InversionSettings settings{.starts = 0};
  std::vector<std::string> layers;
  std::string image, output, save;
  std::string plan;  // a picture whose plans are followed
  bool profile = false;
  int64_t seed = 0, columns = 0, tile = 0, memory = 0;
};
OptionList describe(InvertOptions& options);

// Pictures that a layer cannot tell from the given one, as one sheet.
Report run(const Context& context, const InvertOptions& options);
Command invert_command();

}  // namespace fovea
