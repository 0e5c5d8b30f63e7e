#pragma once

#include "fovea/commands/command.h"

namespace fovea {

struct DataOptions {
  std::string data;
  std::string split = "train";
  std::string output;   // the sheet or scatter plot, a PNG; empty: none
  std::string augment;  // each sample several times, as a recipe would change it
  int64_t columns = 12, rows = 0, tile = 0;
  int64_t limit = 0;
  bool all = false, skip_broken = false;
};
OptionList describe(DataOptions& options);

// What a set holds, in numbers and as a picture.
Report run(const Context& context, const DataOptions& options);
Command data_command();

}  // namespace fovea
