#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct UpdateAttributes {
  std::string kind = "sgd";           // sgd, adam, adamw, rmsprop, adagrad; average: d·w + (1 − d)·g; set: g
  double momentum = 0;                // sgd, rmsprop; 0: none, and no velocity
  bool nesterov = false;              // sgd
  double beta1 = 0.9, beta2 = 0.999;  // adam, adamw
  double smoothing = 0.99;            // rmsprop: α; average: d
  double epsilon = 1e-8;              // added to the root
  double weight_decay = 0;            // added to the gradient as decay · w; not for adamw, whose `shrink` is an input
  FOVEA_FIELDS(UpdateAttributes, kind, momentum, nesterov, beta1, beta2, smoothing, epsilon, weight_decay)
};

namespace ops {
extern const Op update;
}

// The scalars that an update reads, each of the weights' type and one element. What is not given: rate 1, loss 0,
// spread 1, shrink 1, factor 1.
struct UpdateScalars {
  Value rate;    // η; adam and adamw: η/(1 − β₁ᵗ)
  Value loss;    // not finite: nothing changes
  Value spread;  // adam, adamw: 1/√(1 − β₂ᵗ)
  Value shrink;  // adamw: 1 − ηλ, which w is multiplied by beforehand
  Value factor;  // which every gradient is multiplied by beforehand (clipping); not finite: nothing changes
};
constexpr size_t kUpdateScalars = 5;

// How many state tensors a weight has: velocity, moments, sums of squares, in the order of the formulas. Throws
// Error{usage} for an unknown kind.
size_t update_state_count(const UpdateAttributes& attributes);

// One weight, its gradient and its state, all of one type (f32 or f64).
struct UpdateItem {
  Value weight, gradient;
  std::vector<Value> state;
};
// The next values of all items' weights and states, in the order w, state, w, state, …: all in one pass over memory.
// Meaning and sources: see update.cpp. Throws Error{usage} for an unknown kind, Error{shape} or Error{type} for items
// that do not fit.
std::vector<Value> update(Graph& graph, const UpdateScalars& scalars, const std::vector<UpdateItem>& items,
                          UpdateAttributes attributes);

}  // namespace fovea
