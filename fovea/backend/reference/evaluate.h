// A plain interpreter: runs a graph node by node with the operators' reference functions. Slow, simple, in f32 or f64.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// The values of `wants`. Inputs and parameters are looked up by name in `feeds` (a bound input may be left out). Throws
// Error{usage} for a missing or mismatched feed, and what the reference functions throw.
std::vector<Tensor> evaluate(const Graph& graph, const std::map<std::string, Tensor>& feeds,
                             std::span<const Value> wants);

}  // namespace fovea
