#include "fovea/ops/scale.h"

#include "fovea/ops/add.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"

namespace fovea {

Value scale(Graph& graph, Value x, double factor) { return mul(graph, x, scalar(graph, factor, graph.dtype(x))); }
Value shift(Graph& graph, Value x, double term) { return add(graph, x, scalar(graph, term, graph.dtype(x))); }

}  // namespace fovea
