// How the positions of a node's value lie on those of its inputs.
#pragma once

#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/ops/window.h"

namespace fovea {

// The spatial axes of the window that a convolution or a pooling moves over its first input [N,C,spatial]; empty for
// every other operator (adaptive pooling has windows of several sizes and counts as another).
std::vector<WindowAxis> node_window(const Graph& graph, const Node& node);

// The window of the convolution whose adjoint the node (conv_input_gradient, a transposed convolution) is: `input` are
// the positions of the node's value, `output` those of its first input. Empty for every other operator.
std::vector<WindowAxis> adjoint_window(const Graph& graph, const Node& node);

// Whether each position of the result is computed from the same position of the inputs alone (which may be broadcast).
bool keeps_positions(const Node& node);

}  // namespace fovea
