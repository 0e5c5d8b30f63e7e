// Builds one conformance case as a graph with random inputs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fovea/graph/op.h"

namespace fovea::testing {

struct Built {
  Graph graph;
  std::vector<Value> inputs;   // as given to the node; "not given" kept
  std::vector<Value> outputs;  // of the node under test
  std::map<std::string, Tensor> feeds;
  std::vector<Value> differentiable;  // floating-point inputs to check
};

// `precision` replaces f32 in every input (f64 for gradient checks). The same key gives the same numbers.
Built build(const Op& op, const Case& test, DType precision, uint64_t key);

// What to print so that a failure can be repeated.
std::string repro(const Op& op, const Case& test, uint64_t key);

}  // namespace fovea::testing
