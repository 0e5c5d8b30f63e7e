#pragma once

#include "fovea/commands/command.h"

namespace fovea {

struct FetchCommandOptions {
  std::vector<std::string> names;
  std::string from;
};
OptionList describe(FetchCommandOptions& options);

// Downloads weights and data sets by name, or lists what can be.
Report run(const Context& context, const FetchCommandOptions& options);
Command fetch_command();

}  // namespace fovea
