// The one loop behind training and, later, dreaming: compile once, step, tell observers. What differs is what is
// carried from step to step and what is fed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"

namespace fovea {

// One step as observers see it.
struct DescentStep {
  int64_t step = 0;  // from 0
  int64_t total = 0;
  const std::vector<Tensor>& watched;  // values of this step: loss, accuracy
};

class Descent {
 public:
  using Feed = std::function<std::map<std::string, Tensor>(int64_t step)>;
  using Observer = std::function<void(const DescentStep&)>;

  // `options.carry` says what goes from step to step; `watched` comes back from each.
  Descent(const Graph& graph, std::vector<Value> watched, Weights start, Backend& backend,
          const CompileOptions& options)
      : program_(compile(graph, watched, std::move(start), backend, options)) {}

  void observe(Observer observer) { observers_.push_back(std::move(observer)); }
  // Runs until step `total`, or until the context is cancelled; returns the step that it stands at. What the feed and
  // the observers throw goes through; the step that was under way counts as done once its program has run.
  int64_t run(const Context& context, int64_t total, const Feed& feed);

  int64_t step() const { return step_; }
  // Goes on from another step, with states that the caller has set.
  void seek(int64_t step) { step_ = step; }
  Program& program() { return program_; }
  const Program& program() const { return program_; }

 private:
  Program program_;
  std::vector<Observer> observers_;
  int64_t step_ = 0;
};

// An observer for the context's progress: "what 12/300 loss 0.31".
Descent::Observer progress_observer(const Context& context, std::string what, std::string detail_name);

}  // namespace fovea
