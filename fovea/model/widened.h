// A network that was stored with 16-bit weights, as one with f32 weights.
#pragma once

#include "fovea/model/model.h"

namespace fovea {

// Weights of f16 and bf16 that the network does nothing with but convert to f32 become f32 weights of the same names
// and values, and the conversions go: what is left computes the same bits, can be trained, and shows its filters.
// Weights that are used in any other way, or are an output, stay as they are.
Model widened(Model model);

}  // namespace fovea
