// Model + recipe → the graph of one training step: forward, loss, backward, update. Weights, the optimiser's state and
// running statistics are carried, so that they never leave the program.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/model/model.h"
#include "fovea/train/data_parallel.h"
#include "fovea/train/drop_path.h"
#include "fovea/train/recipe.h"
#include "fovea/transform/stochastic_depth.h"

namespace fovea {

struct TrainingStep {
  Graph graph;
  std::vector<Carry> carry;
  Value loss;                        // scalar: the loss of the scores alone, mean of the batch (of its part)
  Value errors;                      // i64 scalar: how many samples of the batch (of its part) were guessed wrong
  Value total;                       // scalar: what is made small, with the auxiliary classifiers
  Value logits;                      // [N,C]
  std::string picture;               // name of the input that takes pictures [N,C,H,W]
  std::string labels;                // name of the input that takes labels [N] i64
  std::vector<std::string> trained;  // names of the parameters that change by gradients, or, for lbfgs, by the caller
  std::vector<Value> gradients;      // of each of them, before clipping and decay; with parts, the sum so far

  // Everything else that a run is fed, step counting updates from 0 and part the runs of an update: the optimiser's
  // numbers, the dropout key, which paths live (the same for all parts of an update), whether to update. steps: in the
  // whole run, for recipe.lookahead; 0: the run has no end.
  std::map<std::string, Tensor> feeds(int64_t step, int64_t part, double rate, int64_t steps = 0) const;
  std::map<std::string, Tensor> feeds(int64_t step, double rate) const { return feeds(step, 0, rate); }

  // What a person should know of it before it starts, a sentence each: how many blocks live in a step on average, how
  // paths are dropped, what is frozen, in how many parts a batch is taken.
  std::vector<std::string> notes() const;

  Recipe recipe;
  bool dropout = false;
  size_t frozen = 0;                     // how many parameters are kept as they are by recipe.freeze
  std::vector<ResidualBranch> branches;  // stochastic depth: those that may be dropped
  std::optional<FractalPaths> paths;     // drop-path: the joins, and how they are fed
  PathPlan path_plan;
};

// Builds the step for recipe.batch / recipe.micro_batches samples; an update then takes that many runs, one a part.
// The model's graph is that of inference; its weights are not looked at. Frozen parameters are not carried. Running
// statistics are renewed by every run.
// With several ranks it is one rank's share of it: gradients are averaged, loss and errors are those of the whole
// batch.
// With the optimiser "lbfgs" the graph does not update: it gives loss and gradients, and Program::set_state takes
// weights (train/lbfgs.h); parts are the caller's to add up.
// Throws Error{usage} when the model has no scores or its batch is fixed, when the parts do not divide the batch or
// everything is frozen, and what the parts throw.
TrainingStep training_step(const Model& model, const Recipe& recipe, const DataParallel& parallel = {});

// What remains of a network when its training is over: residual branches scaled by their probability of survival
// (stochastic depth), no auxiliary classifiers. Weights are the model's own.
Model trained_model(Model model, const Recipe& recipe);

// The weights to begin with: the model's own where it has them (and the carried averages of them).
Weights starting_weights(const TrainingStep& step, const Weights& weights);

}  // namespace fovea
