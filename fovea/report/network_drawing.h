// A network drawn as a graph: boxes from left to right in rows, as one reads, with arrows that wrap to the next row.
#pragma once

#include <string>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

struct DrawnNode {
  std::string title;   // "fire2/squeeze"
  std::string detail;  // "conv 3×3 /2"
  std::string size;    // "64 × 55 × 55"
  std::string kind;    // CSS class: input, convolution, pooling, dense, join, scores, other
  std::string hint;    // shown when pointed at
  std::vector<int> from;
};

// What is worth a box: batch norms, activations, dropout and reshapes are drawn with the layer that they follow.
std::vector<DrawnNode> drawn_nodes(const Graph& graph, Value output);

// An SVG with CSS classes (see report/page.css), about `columns` boxes wide.
std::string draw_network(const std::vector<DrawnNode>& nodes, int columns = 8);

}  // namespace fovea
