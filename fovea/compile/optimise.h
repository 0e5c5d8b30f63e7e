// The transforms that compile applies before it asks the backend, in order, by level.
#pragma once

#include "fovea/compile/program.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

struct Optimised {
  Graph graph;
  std::vector<Value> wants;
  std::vector<Carry> carry;
  Weights weights;  // of the parameters that are left, folded ones included
};

Optimised optimise(const Graph& graph, std::span<const Value> wants, Weights weights, const CompileOptions& options);

}  // namespace fovea
