#pragma once

#include "fovea/commands/command.h"

namespace fovea {

struct ReportOptions {
  std::string run;
};
OptionList describe(ReportOptions& options);

// Rebuilds the page of a training run from what its folder holds.
Report run(const Context& context, const ReportOptions& options);
Command report_command();

}  // namespace fovea
