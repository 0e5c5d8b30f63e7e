#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct VerifyOptions {
  EngineOptions engine;
  std::vector<std::string> paths;
  bool all = false;
};
OptionList describe(VerifyOptions& options);

// Runs ONNX-style test folders and compares.
Report run(const Context& context, const VerifyOptions& options);
Command verify_command();

}  // namespace fovea
