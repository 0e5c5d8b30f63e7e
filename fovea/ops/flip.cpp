#include "fovea/ops/flip.h"

#include "fovea/ops/reverse.h"

namespace fovea {

Value flip(Graph& graph, Value weight) {
  const Shape& shape = graph.shape(weight);
  require(shape.rank() >= 3, ErrorKind::shape, "weight is {}, expected O, I and kernel axes", to_string(shape));
  Ints axes;
  for (int64_t k = 2; k < shape.rank(); ++k) axes.push_back(k);
  return reverse(graph, weight, axes);
}

}  // namespace fovea
