#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct TopOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string data, split = "test";
  std::string units, output;
  std::vector<std::string> layers;
  int64_t count = 9, limit = 0, batch = 0, memory = 1024, tile = 0, columns = 0;
  bool plain = false, all = false;
};
OptionList describe(TopOptions& options);

// For each unit of one layer or more the patches of pictures that excite it most.
Report run(const Context& context, const TopOptions& options);
Command top_command();

}  // namespace fovea
