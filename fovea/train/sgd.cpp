#include "fovea/train/sgd.h"

#include "fovea/ops/add.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sub.h"

namespace fovea {

std::vector<Carry> sgd(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients, Value rate,
                       const SgdSettings& settings) {
  require(parameters.size() == gradients.size(), ErrorKind::internal, "{} parameters with {} gradients",
          parameters.size(), gradients.size());
  std::vector<Carry> carry;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value w = parameters[i];
    const Type type = graph.type(w);
    const Value velocity = input(graph, "velocity of " + graph.node(w).name, type);
    Value g = gradients[i];
    if (settings.weight_decay != 0) g = add(graph, g, mul(graph, w, scalar(graph, settings.weight_decay, type.dtype)));
    const Value next_velocity = add(graph, mul(graph, velocity, scalar(graph, settings.momentum, type.dtype)), g);
    carry.push_back({sub(graph, w, mul(graph, next_velocity, rate)), w});
    carry.push_back({next_velocity, velocity});
  }
  return carry;
}

}  // namespace fovea
