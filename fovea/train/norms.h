// How long the weights of each layer and their gradients are: what shows layers that stand still or run away.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/train/training_step.h"

namespace fovea {

// Euclidean norms over all parameters of a layer together.
struct LayerNorms {
  std::string name;     // "conv1", of parameters "conv1.weight" and "conv1.bias"
  double weight = 0;    // ‖w‖
  double gradient = 0;  // ‖∂L/∂w‖ of the batch, as the optimiser gets it: before weight decay and clipping
};

// The layer that a parameter belongs to: its name without the last part; all of it when it has but one.
std::string layer_of_parameter(std::string_view name);

// The input that opens the gate of a step with norms: a boolean scalar.
inline constexpr const char* kNormsGate = "norms wanted";

// Appends the norms to a training step: a vector [2, layers] of the parameters' type, weights (before the update)
// first, layers in the order of their first parameter. It is behind a gate: a step that is fed {kNormsGate: false}
// skips all of its work and gives zeros.
Value append_norms(TrainingStep& step);

// What the gate is fed.
std::map<std::string, Tensor> norms_feed(bool wanted);

// The value of append_norms(step) with its names.
std::vector<LayerNorms> layer_norms(const TrainingStep& step, const Tensor& norms);

}  // namespace fovea
