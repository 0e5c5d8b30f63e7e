#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct TrainOptions {
  ModelOptions model;
  EngineOptions engine;
  std::string data, test;
  std::string output = "run";
  bool resume = false;
  bool skip_broken = false;
  // What is 0, −1 or empty is as the recipe says.
  double epochs = 0, rate = 0, validation = 0;
  int64_t batch = 0, seed = -1;
  std::string optimiser, augment;
  std::vector<std::string> freeze, settings;
  int64_t checkpoint_every = 0, limit = 0;
  bool synchronised = false;
};
OptionList describe(TrainOptions& options);

// Trains a network; what the run leaves behind is told in train/run_folder.h. Throws Error{usage} for a folder that
// holds another run, and what the parts throw. Started by mpirun as one of several processes it trains with them: all
// open the data, rank 0 alone touches the folder, and the other ranks' reports are silent.
Report run(const Context& context, const TrainOptions& options);
Command train_command();

}  // namespace fovea
