// One run of training with everything that it leaves behind in its folder.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "fovea/commands/model_options.h"
#include "fovea/commands/run_records.h"
#include "fovea/insight/evaluation.h"
#include "fovea/train/run_folder.h"
#include "fovea/train/trainer.h"

namespace fovea {

// What is run: all of it opened and checked.
struct TrainingTask {
  Model model;
  Recipe recipe;
  std::string recipe_text;    // as it stands in run.toml
  std::string public_recipe;  // the same without paths: what the finished network says of itself
  std::shared_ptr<const Dataset> train, test;
  EngineOptions engine;
  Broken broken = Broken::fatal;
  int64_t checkpoint_every = 0;  // steps; 0: with every evaluation, and every minute
  Group* group = nullptr;        // the ranks that train together; null: this process alone
};

class TrainingRun {
 public:
  // Compiles, and goes on from the folder's checkpoint when it has one. Throws what the parts throw.
  TrainingRun(const Context& context, RunFolder& folder, TrainingTask task);

  // Trains to the end, or until the context is cancelled: then a checkpoint holds all that was done.
  void run();
  // The last evaluation on the test set, its errors and the run's numbers, as a report.
  Report report() const;

 private:
  void start_records();
  void on_update(const Trainer::Update& update);
  void on_look(const Trainer::Look& look);
  void save(bool best);
  void finish();
  void write_evaluation(const Model& model);
  Evaluation evaluate_now(const Model& model, bool samples) const;
  double seconds() const;

  const Context& context_;
  RunFolder& folder_;
  TrainingTask task_;
  Engine engine_;  // outlives the trainer
  std::unique_ptr<Trainer> trainer_;
  std::optional<RunRecords> records_;
  std::chrono::steady_clock::time_point start_, saved_;
  double seconds_before_ = 0;  // of the run before it was resumed
  double best_errors_ = -1, best_step_ = 0;
  std::optional<Evaluation> last_;
  Trainer::Look last_look_;
  // Since the last line of the log.
  double loss_sum_ = 0;
  int64_t wrong_ = 0, seen_ = 0, updates_ = 0;
  std::chrono::steady_clock::time_point line_;
  double shown_loss_ = -1, shown_error_ = 0;  // smoothed, for the progress bar
};

}  // namespace fovea
