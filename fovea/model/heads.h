// The layers that make a network's scores, exchanged or taken away.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// The outputs named "aux" and a number: classifiers that only training needs.
std::vector<std::string> auxiliary_outputs(const Graph& graph);

// The same network for other classes: the last layer with weights before the scores (a convolution or a matrix product,
// found through softmax, pooling, biases and whatever else has no weights of its own that mix classes) gets new weights
// for `classes` of them, drawn with the seed as initial_weights() does; so do the auxiliary classifiers. All other
// weights are kept. `names` are the classes' (none, or as many). Throws Error{usage} for a network without scores,
// fewer than 1 class or another number of names, and Error{unsupported} where no such layer is found, naming what is
// there instead.
Model with_new_head(Model model, int64_t classes, std::vector<std::string> names, uint64_t seed);

// The network without its auxiliary classifiers and their weights.
Model without_heads(Model model);

}  // namespace fovea
