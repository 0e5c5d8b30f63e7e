// The loop that trains a network: batches in, steps, a look at the test set now and then, checkpoints out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/data/batches.h"
#include "fovea/train/checkpoint.h"
#include "fovea/train/norms.h"
#include "fovea/train/training_step.h"

namespace fovea {

class TrainerImpl;

// Training is a Descent: one program, step after step. With the optimiser "lbfgs" it is not: a step asks for the loss
// of the whole set, in its order and without augmentation, at several points, and counts as an epoch.
class Trainer {
 public:
  // One update.
  struct Update {
    int64_t step = 0;  // updates done, from 1
    double epoch = 0;  // where the run stands, 1.5 in the middle of the second one
    double loss = 0;   // of the batch's scores
    int64_t errors = 0, count = 0;
    double rate = 0;    // learning rate
    bool look = false;  // the test set is looked at next
  };

  // What was seen since the last look at the test set.
  struct Look {
    int64_t step = 0;
    double epoch = 0;
    double loss = 0;  // mean over the batches since
    int64_t errors = 0, count = 0;
    double rate = 0;
    double seconds = 0;              // of training alone
    std::vector<LayerNorms> layers;  // of the last step
  };

  struct Observer {
    std::function<void(const Update&)> step;  // after each update; may be empty
    std::function<void(const Look&)> epoch;   // whenever the test set is due, and at the end; may be empty
  };

  // Compiles the step and starts to make batches. `plan` makes it compute as a run before it did; empty: choose.
  // options.group: the ranks that train together, each with its share of every batch; all call the same functions.
  // model: its weights are what training begins with. Throws what the parts throw.
  Trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
          const CompileOptions& options, Broken broken = Broken::fatal);
  ~Trainer();

  // To be called once, before run(); on several ranks by any of them.
  void observe(Observer observer);
  // Until all epochs are done or the context is cancelled (of several ranks any one's: all stop at the same step).
  // Throws Divergence when the loss, a weight or a gradient is no number any more or the loss grows beyond all measure,
  // saying the step, the layer, and what to try; and what reading a batch throws.
  void run(const Context& context);

  int64_t step() const;   // updates done
  int64_t steps() const;  // in the whole run
  int64_t steps_per_epoch() const;
  bool finished() const { return step() >= steps(); }

  // The network as it is now, with the average of its weights where the recipe asks for that; the graph is that of
  // inference.
  Model model() const;
  // The state of the run between two updates. Throws Divergence rather than keep a value that is no number.
  Checkpoint checkpoint() const;
  // Goes on from there. Throws Error{usage} for a checkpoint of another network or with other settings, naming what
  // differs.
  void restore(const Checkpoint& checkpoint);
  // Every rank goes on from where the root stands; called by all of them. Nothing with one rank.
  void share(int root = 0);

  const TrainingStep& training() const;
  // What a person should know of the run before it starts, a sentence each.
  std::vector<std::string> notes() const;
  MemoryInfo memory() const;

 private:
  std::unique_ptr<TrainerImpl> impl_;
};

}  // namespace fovea
