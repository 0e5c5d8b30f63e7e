#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DocsOptions {
  std::string folder;
};
OptionList describe(DocsOptions& options);

// Writes a page a command, in Markdown, from the same records as --help.
Report run(const Context& context, const DocsOptions& options);
Command docs_command();

}  // namespace fovea
