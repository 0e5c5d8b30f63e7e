// A picture that goes downhill: the update rules of texture synthesis and neural style, on levels outside of any
// program, because the loss may come from tiles.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fovea/insight/picture_loss.h"
#include "fovea/train/lbfgs.h"

namespace fovea {

struct PictureRule {
  // lbfgs: see train/lbfgs.h. adam: Kingma & Ba, ICLR 2015, algorithm 1, in PyTorch's form, on x / unit.
  std::string update = "lbfgs";
  double rate = 1;  // lbfgs: length of a step where lines are not searched; adam: in units
  int64_t history = 20;
  bool line_search = true;  // lengths by strong Wolfe conditions, several evaluations a step where needed
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double unit = 1;      // grey levels that adam counts as 1
  double average = 0;   // above 0: the picture that is shown is the mean of all so far with weights average^age
  bool within = false;  // adam: after each step the colours are cut off at black and white
  size_t bytes(int64_t count) const;  // of all state for so many numbers
};
const std::vector<std::string>& picture_updates();

// What a descent stands on between two steps.
struct DescentState {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, double> numbers;
};

class PictureDescent {
 public:
  using Loss = std::function<LossValue(const Tensor& levels)>;

  // start: [1,C,H,W] f32. black, white: of each channel, in levels. Throws Error{usage} for settings out of range.
  PictureDescent(const PictureRule& rule, Tensor start, std::vector<float> black, std::vector<float> white);

  // One update. Returns what the loss said of the levels before it, without the gradient; where that is not finite,
  // nothing changes but that levels() are again those of the step before.
  LossValue step(const Loss& loss);

  const Tensor& levels() const { return levels_; }
  // The mean over the steps where the rule has one, else the levels; cut off at black and white.
  Tensor shown() const;
  int64_t steps() const { return steps_; }
  int64_t evaluations() const { return evaluations_; }

  // Goes on with the picture in another size. Adam keeps its means of the gradient (bicubic) and of its square
  // (bilinear), as crowsonkb's style-transfer-pytorch does; L-BFGS begins anew. The picture is what was shown.
  void resize(int64_t height, int64_t width);

  DescentState state() const;
  // Goes on from there to the same bits. Throws Error{usage} naming what is missing or has another size.
  void restore(const DescentState& state);

 private:
  struct Seen {
    std::vector<float> at;
    LossValue value;
  };
  LossValue step_lbfgs(const Loss& loss);
  LossValue step_adam(const Loss& loss);
  double evaluate(const Loss& loss, std::span<const float> x, std::span<float> gradient, LossValue& first);
  void cut_off(Tensor& levels) const;
  void remember();

  PictureRule rule_;
  std::vector<float> black_, white_;
  Tensor levels_, good_;  // good_: the last ones whose loss was finite
  Tensor mean_, square_;  // of adam's gradients
  Tensor average_;        // Σ (1 − a) aᵏ · levels, not corrected
  double weight_ = 1;     // aⁿ
  Lbfgs<float> lbfgs_;
  double scale_ = 0;        // of the loss as L-BFGS sees it; 0: not known before the first evaluation
  std::vector<Seen> seen_;  // the last two points that a line search looked at
  int64_t steps_ = 0, moments_ = 0, evaluations_ = 0;
};

}  // namespace fovea
