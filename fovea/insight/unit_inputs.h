// What a unit is made from: the units before it that its weights connect it to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct UnitInput {
  size_t layer = 0;   // index into the layers that were asked about
  int64_t unit = 0;   // channel of it
  double weight = 0;  // sum of the weights from it: whether it excites (above 0) or inhibits
  double norm = 0;    // their Euclidean norm
};

// For each unit (channel) of a layer [N,C,…], the `most` units of the other given layers that it takes in with the
// largest norms, largest first; equal ones in the order of layers and units. A layer's weights are those of the last
// convolution or matrix product before it that nothing but what keeps units apart follows (batch norm, rectifiers,
// pooling …); its inputs are traced back in the same way, through joins along the channels too, to the first of the
// layers. A batch norm's factor between two layers is not counted in. Empty where no weights are found, or where what
// they are multiplied with is none of the layers.
std::vector<std::vector<UnitInput>> unit_inputs(const Model& model, std::span<const Value> layers, size_t layer,
                                                size_t most);

}  // namespace fovea
