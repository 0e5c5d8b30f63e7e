// Which layer of one network stands for which layer of another.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// A node that computes, and what can be said of it without its neighbours.
struct Layer {
  int node = -1;
  std::vector<std::pair<std::string, std::string>> attributes;  // name → value, spelled in one way
  std::vector<int> from;     // for each input: the index of the layer it comes from, or -1 (fed, a weight, not given)
  std::vector<int> weights;  // for each input: the node of the floating-point parameter or constant, or -1
  size_t same_attributes = 0, shapes = 0, bits = 0,
         follows = 0;  // hashes: of the attributes; of the weights' shapes and
                       // bits, 0 without weights; of the first input's layer
};

// The layers that the outputs depend on, in the graph's order. Nodes whose value is known while building are none.
std::vector<Layer> layers_of(const Model& model);

// The tensor of a parameter or of a node whose value is known; null where there is none.
const Tensor* weight_at(const Model& model, int node);

// For each layer of a the index of the layer of b that stands for it, or -1; each layer of b is used at most once.
// See difference_of.
std::vector<int> match_layers(const Model& a, const std::vector<Layer>& layers_a, const Model& b,
                              const std::vector<Layer>& layers_b);

}  // namespace fovea
