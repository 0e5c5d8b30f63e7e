#pragma once

#include "fovea/graph/graph.h"

namespace fovea {

// The adjoint of broadcasting: sums x over the axes along which `shape` was broadcast, giving exactly `shape`.
// Composite.
Value sum_to(Graph& graph, Value x, const Shape& shape);

}  // namespace fovea
