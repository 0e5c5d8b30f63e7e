// The same network for other input sizes.
#pragma once

#include <map>
#include <string>

#include "fovea/graph/graph.h"

namespace fovea {

// Rebuilds the graph with other types for some inputs (by name) and other values for bound ones: every shape is
// inferred anew; transposed convolutions and unpoolings, whose sizes are attributes, grow with their inputs. Outputs
// are kept. Throws what inference throws, for example when the picture is smaller than the network's field.
Graph respecialise(const Graph& graph, const std::map<std::string, Type>& inputs,
                   const std::map<std::string, Tensor>& bound = {});

}  // namespace fovea
