#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct ConvertOptions {
  ModelOptions model;
  std::string output, name;
};
OptionList describe(ConvertOptions& options);

// Writes the model as ONNX, opset 17, with its preprocessing and class names in the metadata.
Report run(const Context& context, const ConvertOptions& options);
Command convert_command();

}  // namespace fovea
