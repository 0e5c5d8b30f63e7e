#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct FiltersOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string layer, output, image;
  std::string units, channels;
  std::string sort = "number", scale, colours;
  double alike = 0.95;
  int64_t columns = 0, zoom = 0, gap = -1;
  bool numbers = false, plain = false, all = false;
};
OptionList describe(FiltersOptions& options);

// The filters of a layer as a sheet, with their norms, near duplicates and dead units.
Report run(const Context& context, const FiltersOptions& options);
Command filters_command();

}  // namespace fovea
