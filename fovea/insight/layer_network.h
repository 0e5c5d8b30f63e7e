// The part of a network between a picture's levels and some of its layers, for pictures of any size.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct LayerNetwork {
  Graph graph;
  Value levels;               // an input named kLevels, [1,C,height,width] f32, see insight/parametrisation.h
  Value seen;                 // the network's input made of them; the levels where no layer is asked for
  std::vector<Value> layers;  // in the order asked for, [1,C,h,w]; an empty name is the levels themselves
};
inline constexpr const char* kLevels = "levels";

// Cut after the last layer, with preprocessing before the first. Throws Error{usage} for an unknown layer (with the
// nearest names), one that is no stack of maps, a network that takes no picture or has other inputs, and a picture that
// is too small for a layer.
LayerNetwork layer_network(const Model& model, const std::vector<std::string>& layers, int64_t height, int64_t width);

// Forgets the weights that none of these layers needs: a classifier's are most of VGG's memory. The graph stays whole.
// Where one of them is unknown all weights stay.
void keep_weights_of(Model& model, const std::vector<std::string>& layers);

}  // namespace fovea
