#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct LayersOptions {
  ModelOptions model;
};
OptionList describe(LayersOptions& options);
Report run(const Context& context, const LayersOptions& options);
Command layers_command();

}  // namespace fovea
