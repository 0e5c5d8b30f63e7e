// What a closed gate leaves without purpose.
#pragma once

#include <span>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// For each node, the boolean `open` of the gate that all its ways to `wants` lead through (of several, the nearest), or
// "not given" where there is a way past all gates, or none at all. While that gate is closed, nothing needs the node.
std::vector<Value> gates_behind(const Graph& graph, std::span<const Value> wants);

}  // namespace fovea
