// What a Trainer does, in one of its ways: a Descent whose steps update the weights, or an optimiser that asks for the
// loss of the whole set wherever it likes (L-BFGS). Only train/trainer.cpp and the ways themselves include this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/train/trainer.h"

namespace fovea {

// The functions are those of Trainer.
class TrainerImpl {
 public:
  virtual ~TrainerImpl() = default;
  virtual void observe(Trainer::Observer observer) = 0;
  virtual void run(const Context& context) = 0;
  virtual int64_t step() const = 0;
  virtual int64_t steps() const = 0;
  virtual int64_t steps_per_epoch() const = 0;
  virtual Model model() const = 0;
  virtual Checkpoint checkpoint() const = 0;
  virtual void restore(const Checkpoint& checkpoint) = 0;
  virtual void share(int root) = 0;
  virtual const TrainingStep& training() const = 0;
  virtual std::vector<std::string> notes() const = 0;
  virtual MemoryInfo memory() const = 0;
};

// By sgd, adam and the others that are nodes of the step's graph.
std::unique_ptr<TrainerImpl> descent_trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                                             Backend& backend, const CompileOptions& options, Broken broken);
// By lbfgs: a step is one of Lbfgs::step on the whole set, in its order and as it is, and an epoch has one step.
std::unique_ptr<TrainerImpl> full_batch_trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                                                Backend& backend, const CompileOptions& options, Broken broken);

// What both ways need. Options of the reader of a training set: the recipe's batches, keys and changes.
BatchOptions batch_options(const Recipe& recipe, const Model& model, Broken broken);
// How pictures become the model's input; rows of numbers need none. Throws Error{usage} when the model does not say.
Preprocess preprocess_of(const Model& model, const Dataset& train);
// The name of the first of these that holds a value that is no number or infinite; empty when none does.
std::string not_finite(const Weights& states);
// Throws Error{usage} for a checkpoint of another network, and unless it has exactly the states of these names.
void check_states(const Checkpoint& checkpoint, const std::string& network, const std::vector<std::string>& names);

}  // namespace fovea
