#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/image/image.h"

namespace fovea {

struct InspectOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string image, output;
  std::vector<std::string> layers;
  int64_t top = 5, maps = 12;
};
OptionList describe(InspectOptions& options);

// One page that shows what the network sees in a picture and what is inside it.
Report run(const Context& context, const InspectOptions& options);
Command inspect_command();
// The same for a model and a picture that are there already: what the demo does.
Report inspect_to_folder(const Context& context, const Model& model, const Image& picture,
                         const std::string& picture_name, const InspectOptions& options);

}  // namespace fovea
