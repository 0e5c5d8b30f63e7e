#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DiffOptions {
  ModelOptions model;  // the first network; preprocess, labels, size and crop hold for both
  std::string other, image, output;
  EngineOptions engine;
  bool exit_code = false, all = false;
  double tolerance = 1e-4;
  int64_t top = 20;
};
OptionList describe(DiffOptions& options);

// What differs between two networks.
Report run(const Context& context, const DiffOptions& options);
Command diff_command();

}  // namespace fovea
