#pragma once

#include "fovea/graph/graph.h"

namespace fovea {

// A convolution weight [O,I/G,K...] turned around on every kernel axis: conv(x, flip(w)) is the convolution of the
// mathematicians and of signal processing, where conv(x, w) is cross-correlation. Composite.
Value flip(Graph& graph, Value weight);

}  // namespace fovea
