// One column of a fractal network as a network of its own.
#pragma once

#include <cstdint>

#include "fovea/model/model.h"

namespace fovea {

// How many columns a fractal network has; 0 for any other network.
int64_t column_count(const Graph& graph);

// The network of one column alone (from 1, the shallowest; 0: the deepest), with its weights: each join gives its
// column's input. It computes what the whole network does when drop-path keeps that column only. Throws Error{usage}
// for a network without columns and a column that there is not. Source: Larsson, Maire & Shakhnarovich, "FractalNet",
// ICLR 2017, section 4: a column is extracted after training and used on its own.
Model column_of(Model model, int64_t column = 0);

}  // namespace fovea
