// One run of training with everything that it leaves behind in its folder.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "fovea/commands/run_records.h"
#include "fovea/commands/training_task.h"
#include "fovea/insight/evaluation.h"
#include "fovea/train/run_folder.h"
#include "fovea/train/trainer.h"

namespace fovea {

// The trainer of a task. Where a checkpoint says how its run was computed, it is computed so again, for the same bits;
// a note says when that cannot be. Called by all ranks of task.group, which follow the plan of rank 0; the others pass
// null.
std::unique_ptr<Trainer> trainer_for(const Context& context, const TrainingTask& task, const Engine& engine,
                                     const Checkpoint* before);

class TrainingRun {
 public:
  // Compiles, and goes on from the folder's checkpoint when it has one. Throws what the parts throw.
  TrainingRun(const Context& context, RunFolder& folder, TrainingTask task);

  // Trains to the end, or until the context is cancelled: then a checkpoint holds all that was done.
  void run();
  int64_t step() const { return trainer_->step(); }
  // The last evaluation on the test set, its errors and the run's numbers, as a report.
  Report report() const;

 private:
  void start_records();
  void on_update(const Trainer::Update& update);
  void on_look(const Trainer::Look& look);
  void save(bool best);
  void check_sets(const Checkpoint& before) const;
  void tell_time_left(const Trainer::Update& update);
  void record_failure(const Error& error);
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
  int64_t first_step_ = 0;  // that this process has begun with
  std::chrono::steady_clock::time_point warm_;
  std::optional<Evaluation> last_;
  Trainer::Look last_look_;
  // Since the last line of the log.
  double loss_sum_ = 0;
  int64_t wrong_ = 0, seen_ = 0, updates_ = 0;
  std::chrono::steady_clock::time_point line_;
  double shown_loss_ = -1, shown_error_ = 0;  // smoothed, for the progress bar
};

}  // namespace fovea
