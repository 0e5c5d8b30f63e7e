// What `fovea train` was asked for → all that a run needs: the network, the recipe and the sets, opened and checked.
#pragma once

#include <memory>
#include <string>

#include "fovea/base/group.h"
#include "fovea/commands/train.h"
#include "fovea/data/batches.h"
#include "fovea/train/recipe.h"

namespace fovea {

// What is run: all of it opened and checked.
struct TrainingTask {
  Model model;
  Recipe recipe;
  std::string recipe_text;    // as it stands in run.toml
  std::string metadata_text;  // the same without the folders that files lie in, for the network's metadata
  std::string data;           // the training set as the person named it, without its folder
  std::shared_ptr<const Dataset> train, test;
  EngineOptions engine;
  Broken broken = Broken::fatal;
  int64_t checkpoint_every = 0;  // steps; 0: with every evaluation, and every minute
  Group* group = nullptr;        // the ranks that train together; null: this process alone
};

// Reads and checks, and writes nothing. With options.resume the folder's run.toml says what the command line does not,
// and neither may contradict it, but for --epochs. Throws Error{usage} naming what contradicts, Error{format} for
// labels out of range, and what opening networks and data throws.
TrainingTask training_task(const Context& context, TrainOptions options);

// Throws Error{usage} where options name a MODEL that is not the one of the folder's run.
void require_same_model(const TrainOptions& options);

}  // namespace fovea
