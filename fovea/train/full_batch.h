// The loss of a whole training set as a function of all weights at once, for optimisers that need the same function at
// every point (train/lbfgs.h).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/train/training_step.h"

namespace fovea {

// The size of equal batches of a set: at most `most` and more than half of it, so that the fewest samples are left
// over, and the largest such; the whole set where that is not larger.
int64_t even_batch(int64_t samples, int64_t most);

class FullBatch {
 public:
  // Pictures and labels of a batch, from 0; the same ones each time.
  using Feed = std::function<std::map<std::string, Tensor>(int64_t batch)>;

  // `step` is made with the optimiser "lbfgs" for one of `batches` batches, all equally large. Throws Error{usage} for
  // another optimiser, weights that are not f32 and fewer than 1 batch, and what compiling throws. options.carry is set
  // here.
  FullBatch(const TrainingStep& step, const Weights& start, Backend& backend, CompileOptions options, int64_t batches,
            Feed feed);

  // The trained weights, one after another in the order of step.trained.
  std::vector<float> weights() const;
  void set_weights(std::span<const float> weights);

  // Sets the weights and runs all batches: the mean of their losses and, into `gradient`, of their gradients. Dropout
  // and dropped paths are keyed by the batch, so that the function does not change. Running statistics are renewed by
  // each run, as everywhere.
  double operator()(std::span<const float> weights, std::span<float> gradient);

  double loss() const { return loss_; }       // of the scores alone, mean of the last evaluation
  int64_t errors() const { return errors_; }  // wrong guesses of the last evaluation
  Program& program() { return program_; }     // for its states: weights, running statistics
  const Program& program() const { return program_; }

 private:
  const TrainingStep& step_;  // the caller keeps it
  Program program_;
  int64_t batches_;
  Feed feed_;
  double loss_ = 0;
  int64_t errors_ = 0;
};

}  // namespace fovea
