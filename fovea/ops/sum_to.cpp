#include "fovea/ops/sum_to.h"

#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"

namespace fovea {

Value sum_to(Graph& graph, Value x, const Shape& shape) {
  const Shape from = graph.shape(x);
  if (from == shape) return x;
  Ints axes;
  const size_t extra = from.size() - shape.size();
  for (size_t k = 0; k < from.size(); ++k)
    if (k < extra || (shape[k - extra] == 1 && from[k] != 1)) axes.push_back(static_cast<int64_t>(k));
  const Value summed = reduce(graph, x, {.kind = "sum", .axes = axes, .keep = true});
  return reshape(graph, summed, shape);
}

}  // namespace fovea
