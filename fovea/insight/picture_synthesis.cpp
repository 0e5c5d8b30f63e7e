#include "fovea/insight/picture_synthesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea {

namespace {

// Calls use(pixel of the wrapped picture, the pixel that it repeats), for a picture [1,C,H,W].
template <class Use>
void for_each_wrapped(int64_t channels, int64_t height, int64_t width, int64_t wrap, const Use& use) {
  const auto around = [](int64_t at, int64_t size) { return (at % size + size) % size; };
  size_t i = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = -wrap; y < height + wrap; ++y)
      for (int64_t x = -wrap; x < width + wrap; ++x)
        use(i++, static_cast<size_t>((c * height + around(y, height)) * width + around(x, width)));
}

}  // namespace

Tensor wrapped(const Tensor& levels, int64_t wrap) {
  const int64_t channels = levels.size(1), height = levels.size(2), width = levels.size(3);
  Tensor result(DType::f32, {1, channels, height + 2 * wrap, width + 2 * wrap});
  const auto from = levels.data<float>();
  const auto to = result.data<float>();
  for_each_wrapped(channels, height, width, wrap, [&](size_t outer, size_t inner) { to[outer] = from[inner]; });
  return result;
}

Tensor unwrapped_sum(const Tensor& gradient, int64_t wrap) {
  const int64_t channels = gradient.size(1), height = gradient.size(2) - 2 * wrap, width = gradient.size(3) - 2 * wrap;
  Tensor result(DType::f32, {1, channels, height, width});
  const auto from = gradient.data<float>();
  const auto to = result.data<float>();
  for_each_wrapped(channels, height, width, wrap, [&](size_t outer, size_t inner) { to[inner] += from[outer]; });
  return result;
}

LossValue StageLoss::evaluate(const Context& context, const Tensor& levels) const {
  if (wrap == 0) return loss->evaluate(context, levels);
  LossValue value = loss->evaluate(context, wrapped(levels, wrap));
  value.gradient = unwrapped_sum(value.gradient, wrap);
  return value;
}

PictureSynthesis::PictureSynthesis(Plan plan) : plan_(std::move(plan)) {
  require(!plan_.stages.empty(), ErrorKind::internal, "a picture of no stages");
  for (const SynthesisStage& s : plan_.stages)
    require(s.steps >= 1 && s.height >= 1 && s.width >= 1, ErrorKind::usage, "{} steps at {}x{} pixels", s.steps,
            s.width, s.height);
}

int64_t PictureSynthesis::total() const {
  int64_t sum = 0;
  for (const SynthesisStage& s : plan_.stages) sum += s.steps;
  return sum;
}

int64_t PictureSynthesis::done() const {
  int64_t sum = step_;
  for (size_t k = 0; k < stage_; ++k) sum += plan_.stages[k].steps;
  return sum;
}

// The descent of the stage it stands at, if there is none.
void PictureSynthesis::begin() {
  if (descent_) return;
  Tensor start = plan_.start();
  const SynthesisStage& s = plan_.stages[stage_];
  require(start.rank() == 4 && start.size(2) == s.height && start.size(3) == s.width, ErrorKind::internal,
          "a start of {} for {}x{} pixels", to_string(start.shape()), s.width, s.height);
  descent_.emplace(plan_.rule, std::move(start), plan_.black, plan_.white);
}

PictureSynthesis::Outcome PictureSynthesis::run(const Context& context,
                                                const std::function<void(const SynthesisStep&)>& observe) {
  begin();
  const int64_t all = total();
  while (stage_ < plan_.stages.size()) {
    const SynthesisStage& stage = plan_.stages[stage_];
    while (step_ < stage.steps) {
      if (context.cancelled()) return {};
      try {
        if (!loss_) loss_.emplace(plan_.loss(stage_));
      } catch (const Error&) {
        // What prepares a stage gives up by an error when it is cancelled; the picture so far is to be kept.
        if (context.cancelled()) return {};
        throw;
      }
      if (context.cancelled()) return {};
      // A step that was cancelled between two of its tiles is not done: the context that the loss sees knows no cancel.
      Context whole = context;
      whole.cancel = nullptr;
      const LossValue value = descent_->step([&](const Tensor& levels) { return loss_->evaluate(whole, levels); });
      if (!std::isfinite(value.total))
        return {false, fmt::format("step {} of {} at {}x{} pixels: {}", step_ + 1, stage.steps, stage.width,
                                   stage.height, loss_->loss->not_finite(value))};
      ++step_;
      if (observe) observe({stage_, step_, done(), all, value, *loss_->loss});
    }
    if (stage_ + 1 == plan_.stages.size()) break;
    loss_.reset();
    ++stage_;
    step_ = 0;
    descent_->resize(plan_.stages[stage_].height, plan_.stages[stage_].width);
  }
  return {true, ""};
}

Tensor PictureSynthesis::shown() {
  begin();
  return descent_->shown();
}

DescentState PictureSynthesis::state() {
  begin();
  DescentState s = descent_->state();
  s.numbers["stage"] = static_cast<double>(stage_);
  s.numbers["stage step"] = static_cast<double>(step_);
  return s;
}

void PictureSynthesis::restore(const DescentState& state) {
  const auto whole = [&](const char* name, double most) {
    const auto found = state.numbers.find(name);
    require(found != state.numbers.end() && found->second >= 0 && found->second <= most &&
                found->second == std::floor(found->second),
            ErrorKind::usage, "the state says \"{}\" is {}, expected a whole number up to {}", name,
            found == state.numbers.end() ? 0 : found->second, most);
    return static_cast<int64_t>(found->second);
  };
  const auto stage = static_cast<size_t>(whole("stage", static_cast<double>(plan_.stages.size()) - 1));
  const int64_t step = whole("stage step", static_cast<double>(plan_.stages[stage].steps));
  const auto levels = state.tensors.find("levels");
  require(levels != state.tensors.end() && levels->second.rank() == 4, ErrorKind::usage, "the state holds no picture");
  const SynthesisStage& s = plan_.stages[stage];
  require(levels->second.size(2) == s.height && levels->second.size(3) == s.width, ErrorKind::usage,
          "the state's picture has {}x{} pixels, expected {}x{}", levels->second.size(3), levels->second.size(2),
          s.width, s.height);
  PictureDescent next(plan_.rule, levels->second, plan_.black, plan_.white);
  next.restore(state);
  descent_.emplace(std::move(next));
  loss_.reset();
  stage_ = stage;
  step_ = step;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  if (whole >= 3600) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 120) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return seconds < 10 ? fmt::format("{:.1f} s", seconds) : fmt::format("{} s", whole);
}

}  // namespace fovea
