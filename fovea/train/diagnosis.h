// Why training went wrong: which layer, and what to try.
#pragma once

#include <map>
#include <string>

#include "fovea/backend/backend.h"
#include "fovea/base/error.h"
#include "fovea/train/training_step.h"

namespace fovea {

struct BadStep {
  int64_t step = 0;  // from 1
  double loss = 0;
  double first_loss = 0;  // of the run's first batch
  double rate = 0;
  std::string what = {};  // what was seen; empty: the loss is no number, or has grown
};

// Training went wrong by itself, not by a fault of the data, the disk or the settings' form.
struct Divergence : Error {
  explicit Divergence(std::string message) : Error(ErrorKind::usage, std::move(message)) {}
};

// A message for a person: the step, the first layer in the order of computation whose values or weights are no numbers
// (or the one whose values are the largest when all still are), and what to try. weights: of the parameters that are
// not carried; states: of the carried ones, as they are after the step; feeds: the step's. The forward pass is computed
// once more, with the sum of the magnitudes of every layer's values as results.
std::string divergence_message(const TrainingStep& step, const Weights& weights, const Weights& states,
                               const std::map<std::string, Tensor>& feeds, Backend& backend, const BadStep& bad);

}  // namespace fovea
