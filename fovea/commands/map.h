#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct MapOptions {
  std::string codes;   // a file of codes, or a finished map
  std::string output;  // the page
  std::string png;     // the plate; empty: none
  std::string keep;    // the finished map; empty: none
  std::string place;   // codes to be placed on it; empty: none
  std::string method = "tsne";
  double perplexity = 30;
  int64_t iterations = 1000;
  double exaggeration = 12, learning_rate = 0, theta = 0.5;
  std::string repulsion = "auto", start = "pca", grid = "snap";
  int64_t components = 50, seed = 0;
  int64_t cells = 0, cell = 0;
  bool approximate = false;
};
OptionList describe(MapOptions& options);

// A map of codes in the plane: a page with the pictures at their places.
Report run(const Context& context, const MapOptions& options);
Command map_command();

}  // namespace fovea
