#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct FeaturesOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string data;
  std::string split = "test";
  std::string output;
  std::string layer;          // empty: the input of the last layer with weights
  std::string pool = "auto";  // auto: mean where the layer was not named and has positions, else none
  int64_t thumbnails = 64;    // their longer side; 0: none
  int64_t batch = 0, limit = 0;
};
OptionList describe(FeaturesOptions& options);

// The codes of a set of pictures, written to a file as they are made.
Report run(const Context& context, const FeaturesOptions& options);
Command features_command();

}  // namespace fovea
