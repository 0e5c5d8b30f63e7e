#pragma once

#include "fovea/commands/command.h"

namespace fovea {

struct ZooCommandOptions {
  std::string name;  // of an architecture or a family; empty: all
  bool table = false;
  std::string layer, input;
  int64_t classes = 0, size = 0;  // 0: as published
  bool heads = false, all = false;
};
OptionList describe(ZooCommandOptions& options);

// The architectures that fovea knows, one of them layer by layer, the VGG paper's table, or the counts of one described
// layer. No weights are made.
Report run(const Context& context, const ZooCommandOptions& options);
Command zoo_command();

}  // namespace fovea
