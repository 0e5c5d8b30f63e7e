// Which layers of a network have units that are worth a look each.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// In the network's order: the rectified values [N,C] and [N,C,H,W] on the way to its scores, or, where it has no
// rectifiers, its convolutions and matrix products; last the scores themselves, before a softmax. Throws Error{usage}
// when there is none.
std::vector<Value> unit_layers(const Model& model);

// Names that a person may use for a rectified layer besides its own: those of the model, and those of the convolution
// or matrix product that it rectifies.
std::vector<std::string> layer_synonyms(const Model& model, Value layer);

}  // namespace fovea
