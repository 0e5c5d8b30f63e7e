#pragma once

#include "fovea/commands/command.h"

namespace fovea {

struct AgainOptions {
  std::string file;
  std::string output;   // empty: beside the file, its name with "-again"
  bool anyway = false;  // also where a file that it was made from has changed
};
OptionList describe(AgainOptions& options);

// Makes a picture again from the record in its PNG: the same command with the same plans and number of threads, which
// gives the same bytes. Throws Error{format} when there is no record, and Error{usage} when a file that it was made
// from is not what it was. Report::failed where the picture differs. `context.cancel` works as in that command.
Report run(const Context& context, const AgainOptions& options);
Command again_command();

}  // namespace fovea
