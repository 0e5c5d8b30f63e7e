#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct ExplainOptions {
  ModelOptions model;
  EngineOptions engine;
  int64_t batch = 1, runs = 10;
  bool refusals = false, train = false;
};
OptionList describe(ExplainOptions& options);

// The compiled plan: every step with its implementation, layouts, work and share of the time, and what was refused.
Report run(const Context& context, const ExplainOptions& options);
Command explain_command();

}  // namespace fovea
