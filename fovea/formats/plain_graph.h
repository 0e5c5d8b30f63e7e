// A graph as other programs' formats can say it.
#pragma once

#include <functional>
#include <string_view>

#include "fovea/graph/graph.h"

namespace fovea {

// A copy, outputs included, in which the operators that only fusion makes stand as what they mean; those that the
// format has a word for are kept.
Graph plain_graph(const Graph& graph, const std::function<bool(std::string_view op)>& has_word);

}  // namespace fovea
