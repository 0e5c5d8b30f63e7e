#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/model/model.h"

namespace fovea {

struct SummaryOptions {
  ModelOptions model;
  bool all = false;  // also nodes without weights or work of their own (reshapes, constants of shapes)
};
OptionList describe(SummaryOptions& options);

// Every layer with its output shape, parameters, multiply-adds and receptive field; totals; the memory of a run.
Report run(const Context& context, const SummaryOptions& options);
Command summary_command();

// The same report for a model at hand, with or without weights. all: as in SummaryOptions.
Report summarise(const Model& model, bool all);

}  // namespace fovea
