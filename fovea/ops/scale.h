#pragma once

#include "fovea/graph/graph.h"

namespace fovea {

// x · factor, any shape; the factor is written in the graph as a scalar of x's type. Composite.
Value scale(Graph& graph, Value x, double factor);
// x + term, likewise. Composite.
Value shift(Graph& graph, Value x, double term);

}  // namespace fovea
