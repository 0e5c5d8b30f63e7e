#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct AttributeOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string image;
  std::vector<std::string> methods;  // empty: all
  std::string label;                 // number or name of the class; empty: the best guess
  std::string layer, output, raw;
  bool check = false, time = false;
  int64_t samples = 16, steps = 50, window = 0, stride = 0, stages = 4, batch = 8, memory = 1024, columns = 3;
  double noise = 0.15, epsilon = 0.25;
  std::string baseline = "mean", quadrature = "gauss";
};
OptionList describe(AttributeOptions& options);

// Which places of a picture speak for a class, by every method, and whether the maps can be trusted.
Report run(const Context& context, const AttributeOptions& options);
Command attribute_command();

}  // namespace fovea
