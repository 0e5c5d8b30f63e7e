// The weights of the first layer, as pictures: the only ones that speak of pixels.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

struct FirstLayer {
  int node = -1;        // the convolution
  Tensor weight;        // [O,I,K,K] f32
  bool colour = false;  // I = 3: the three channels are shown as red, green and blue
};

// The first convolution behind the picture input whose weights are known; nothing when the network has none.
std::optional<FirstLayer> first_layer(const Model& model);

// One picture a filter, each scaled to its own range (its middle grey is not zero). Three input channels become colour
// (in the order that the network's preprocessing gives them), otherwise each is grey: the first channel only.
std::vector<Image> filter_images(const FirstLayer& layer, const std::string& colour_order);

// A weight's value: from the model's weights, or known in the graph. Nothing when it is computed at run time.
std::optional<Tensor> weight_of(const Model& model, Value value);

}  // namespace fovea
