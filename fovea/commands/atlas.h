#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct AtlasOptions {
  ModelOptions model;
  std::string data;
  std::string output = "atlas";
  std::vector<std::string> layers;
  int64_t patches = 9;  // a unit
  int64_t limit = 0;    // pictures; 0: all
  int64_t steps = 128;  // of a maximising picture; 0: the preset's 512
  bool no_maxima = false;
  int64_t seed = 0;
  int64_t memory = 1024;  // MiB
  EngineOptions engine;
};
OptionList describe(AtlasOptions& options);

// A folder of pages, one a unit of the network. An atlas that lies there already is completed: what was made from the
// same network, pictures and settings is kept.
Report run(const Context& context, const AtlasOptions& options);
Command atlas_command();

}  // namespace fovea
