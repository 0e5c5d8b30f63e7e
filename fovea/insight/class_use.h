// Which classes a unit speaks for, and against.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

struct ClassShare {
  int64_t label = 0;
  double share = 0;  // of the class's score, in its own units; above 0: for the class
};

// The share that a unit has in the score s_c of the class c that the network takes a picture for: Σ over its positions
// of a · ∂s_c/∂a, averaged over the pictures that are taken for c. For layers behind which the network is linear the
// shares of all units and what the biases give add up to the score. Source: gradient × input, Shrikumar, Greenside,
// Shcherbina & Kundaje, "Not just a black box", 2016; on feature maps as in Olah et al., "The building blocks of
// interpretability", Distill 2018.
class ClassUse {
 public:
  // Layers are values [N,C,…] on the way to the class scores; units are their channels. Compiles once. Throws
  // Error{usage} for a layer of another shape or one that the scores do not depend on, Error{unsupported} when an
  // operator on the way has no gradient.
  ClassUse(const Model& model, std::span<const Value> layers, Backend& backend, const CompileOptions& options = {});

  // Pictures [N,C,H,W] for the batch of the model's graph, of which the first `count` are looked at.
  void add(const Tensor& pictures, int64_t count);

  // How many pictures the network took for a class so far.
  int64_t pictures(int64_t label) const;
  // Of a unit of a layer: all classes that were seen, greatest share first; equal ones by number.
  std::vector<ClassShare> shares(size_t layer, int64_t unit) const;

 private:
  Program program_;
  std::string input_;
  int64_t classes_ = 0;
  std::vector<int64_t> units_;                                // of each layer
  std::map<int64_t, int64_t> counted_;                        // pictures by class
  std::vector<std::map<int64_t, std::vector<double>>> sums_;  // by layer and class: one number a unit
};

}  // namespace fovea
