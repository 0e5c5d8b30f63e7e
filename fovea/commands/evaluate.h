#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct EvaluateOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string data;
  std::string split = "test";
  std::string tta = "plain";  // views of each picture: model/test_views.h
  int64_t batch = 0, limit = 0;
  std::string errors;  // where the sheet of errors goes; empty: none
  std::string error_order = "confident";
  int64_t error_count = 400;
  std::string surface;  // where the picture of the decisions goes; empty: none
  bool all = false, confusion = false, skip_broken = false;
};
OptionList describe(EvaluateOptions& options);

// How often the network, or several averaged, is right on a labelled set of pictures.
Report run(const Context& context, const EvaluateOptions& options);
Command evaluate_command();

}  // namespace fovea
