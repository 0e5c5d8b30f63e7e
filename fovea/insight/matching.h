// Which layer of one network stands for which layer of another.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// A node that computes, and what can be said of it without its neighbours.
struct Layer {
  int node = -1;
  std::string attributes;    // as text, every field
  std::vector<int> from;     // for each input: the layer it comes from, or -1 (an input, a weight, not given)
  std::vector<int> weights;  // for each input: the node of the parameter or constant, or -1
  size_t shapes = 0;         // a hash of the weights' shapes
  size_t bits = 0;           // a hash of the weights' bits; 0: no weights
};

// The layers that the outputs depend on, in the graph's order.
std::vector<Layer> layers_of(const Model& model);

// The tensor of a parameter or constant; null where there is none.
const Tensor* weight_at(const Model& model, int node);

// For each layer of a the layer of b that stands for it, or -1; each layer of b is used once. See difference_of.
std::vector<int> match_layers(const Model& a, const std::vector<Layer>& layers_a, const Model& b,
                              const std::vector<Layer>& layers_b);

}  // namespace fovea
