#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct NeighboursOptions {
  std::string codes;
  std::vector<std::string> images;  // files, folders, or #ROW
  std::string output;               // the sheet; empty: none
  std::string model;                // empty: the one that the codes name
  EngineOptions engine;
  int64_t k = 10;
  std::string metric = "l2";  // l2, cosine
  bool agreement = false;
  bool approximate = false;
};
OptionList describe(NeighboursOptions& options);

// The pictures of a file of codes that are nearest to some pictures, by features and by pixels.
Report run(const Context& context, const NeighboursOptions& options);
Command neighbours_command();

}  // namespace fovea
