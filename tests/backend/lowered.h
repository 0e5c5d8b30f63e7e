// Runs one conformance case through a backend's lowering of its one node, layouts converted at both ends.
#pragma once

#include <vector>

#include "fovea/backend/backend.h"
#include "tests/conformance/cases.h"

namespace fovea::testing {

// Every output (unused ones too) of one choice of the answer, in plain layout. Memory is poisoned with NaN beforehand.
// `constant`: inputs count as constants, whose values the backend may prepare; `format`: offer the inputs in this
// layout where their type has it.
struct Lowered {
  Answer answer;
  std::vector<std::vector<Tensor>> outputs;  // of each choice
};
struct LoweredOptions {
  bool constant = true;  // all inputs but the first
  bool repeat = false;   // run twice, return the second
  Layout (*offer)(const Type& type) = nullptr;
};
Lowered run_lowered(Backend& backend, const Built& built, const LoweredOptions& options);

}  // namespace fovea::testing
