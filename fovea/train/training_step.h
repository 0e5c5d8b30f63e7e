// Model + recipe → the graph of one training step: forward, loss, backward, update. Weights, the optimiser's state and
// running statistics are carried, so that they never leave the program.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/model/model.h"
#include "fovea/train/data_parallel.h"
#include "fovea/train/recipe.h"

namespace fovea {

struct TrainingStep {
  Graph graph;
  std::vector<Carry> carry;
  Value loss;                        // scalar: the loss of the scores alone, mean of the batch
  Value errors;                      // i64 scalar: how many samples of the batch were guessed wrong
  Value total;                       // scalar: what is made small, with the auxiliary classifiers
  Value logits;                      // [N,C]
  std::string picture;               // name of the input that takes pictures [N,C,H,W]
  std::string labels;                // name of the input that takes labels [N] i64
  std::vector<std::string> trained;  // names of the parameters that change by gradients
  std::vector<Value> gradients;      // of `total` with respect to each of them, before decay and clipping

  // Everything else that a step is fed, step counting updates from 0: the optimiser's numbers and the dropout key.
  std::map<std::string, Tensor> feeds(int64_t step, double rate) const;

  Recipe recipe;
  bool dropout = false;
};

// Builds the step for recipe.batch / recipe.micro_batches samples. The model's graph is that of inference; its weights
// are not looked at. Throws Error{usage} when it has no scores or its batch is fixed, and what the parts throw.
// With several ranks it is one rank's share of it: gradients are averaged, loss and errors are those of the whole
// batch.
TrainingStep training_step(const Model& model, const Recipe& recipe, const DataParallel& parallel = {});

// The weights to begin with: the model's own where it has them (and the carried averages of them).
Weights starting_weights(const TrainingStep& step, const Weights& weights);

}  // namespace fovea
