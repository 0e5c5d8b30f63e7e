// A picture made step by step, in one size or in growing ones: the loop behind texture synthesis and neural style.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/insight/picture_descent.h"
#include "fovea/insight/picture_loss.h"

namespace fovea {

// One size of the picture and how many steps it takes there.
struct SynthesisStage {
  int64_t height = 0, width = 0, steps = 0;
};

// The loss of a stage. A picture that continues at its opposite edges is seen with `wrap` pixels of itself around it.
struct StageLoss {
  std::unique_ptr<PictureLoss> loss;
  int64_t wrap = 0;
  // Of levels [1,C,h,w] without that frame, whose gradient comes back.
  LossValue evaluate(const Context& context, const Tensor& levels) const;
};

// Levels with `wrap` rows and columns of their other end around them, and the way back for gradients: what lies in the
// frame is added to the pixels that it repeats.
Tensor wrapped(const Tensor& levels, int64_t wrap);
Tensor unwrapped_sum(const Tensor& gradient, int64_t wrap);

// A step as observers see it, after it was done.
struct SynthesisStep {
  size_t stage = 0;
  int64_t step = 0;        // in its stage, from 1
  int64_t done = 0;        // of all stages
  int64_t total = 0;       // of all stages
  const LossValue& value;  // of the picture before the step; no gradient
  const PictureLoss& loss;
};

class PictureSynthesis {
 public:
  struct Plan {
    std::vector<SynthesisStage> stages;  // at least one
    PictureRule rule;
    std::vector<float> black, white;  // of each channel, in levels
    // The start in the first stage's size, [1,C,h,w].
    std::function<Tensor()> start;
    // Builds and prepares the loss of a stage.
    std::function<StageLoss(size_t stage)> loss;
  };
  struct Outcome {
    bool finished = false;  // false: cancelled, or:
    std::string trouble;    // the loss is no longer finite: which term, at which step
  };

  explicit PictureSynthesis(Plan plan);

  // From where it stands until all steps are done or the context is cancelled.
  Outcome run(const Context& context, const std::function<void(const SynthesisStep&)>& observe);

  const std::vector<SynthesisStage>& stages() const { return plan_.stages; }
  size_t stage() const { return stage_; }
  int64_t done() const;   // steps so far, of all stages
  int64_t total() const;  // steps of all stages
  int64_t evaluations() const { return descent_ ? descent_->evaluations() : 0; }
  // The picture as it is shown, in the size of the stage. Before run(): the start.
  Tensor shown();
  // The loss of the stage it stands at; null before the first step.
  PictureLoss* loss() { return loss_ ? loss_->loss.get() : nullptr; }

  DescentState state();
  // Goes on from there to the same bits, where the plan is the same. Throws Error{usage} where it does not fit.
  void restore(const DescentState& state);

 private:
  void begin();

  Plan plan_;
  std::optional<PictureDescent> descent_;
  std::optional<StageLoss> loss_;
  size_t stage_ = 0;
  int64_t step_ = 0;  // in the stage
};

// "1 h 5 min", "3 min 20 s", "12 s".
std::string duration_text(double seconds);

}  // namespace fovea
