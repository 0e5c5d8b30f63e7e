#include "fovea/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"

namespace fovea {

namespace {

// From a to b as t goes from 0 to 1, along half a cosine.
double cosine(double a, double b, double t) { return b + (a - b) * 0.5 * (1 + std::cos(std::numbers::pi * t)); }

double one_cycle(const ScheduleSettings& s, double t) {
  if (t < s.peak) return s.rate * cosine(s.start, 1, s.peak > 0 ? t / s.peak : 1);
  return s.rate * cosine(1, s.start / 1e4, s.peak < 1 ? (t - s.peak) / (1 - s.peak) : 1);
}

}  // namespace

double rate_at(const ScheduleSettings& s, double epoch, double epochs) {
  const auto& kinds = schedule_kinds();
  require(std::find(kinds.begin(), kinds.end(), s.kind) != kinds.end(), ErrorKind::usage, "unknown schedule \"{}\"{}",
          s.kind, did_you_mean(s.kind, kinds));
  require(epochs > 0 && s.rate >= 0, ErrorKind::usage, "a rate of {} over {} epochs", s.rate, epochs);
  const double warm = s.warm_up > 0 ? std::min(1.0, epoch / s.warm_up) : 1;
  const double t = std::clamp((epoch - s.warm_up) / std::max(1e-12, epochs - s.warm_up), 0.0, 1.0);
  if (s.kind == "constant") return s.rate * warm;
  if (s.kind == "cosine") return s.rate * warm * cosine(1, s.final, t);
  if (s.kind == "linear") return s.rate * warm * (1 + (s.final - 1) * t);
  if (s.kind == "one_cycle") return one_cycle(s, std::clamp(epoch / epochs, 0.0, 1.0));
  if (s.kind == "step") {
    require(s.steps.size() == 1 && s.steps[0] > 0, ErrorKind::usage,
            "the schedule \"step\" needs its period in epochs");
    return s.rate * warm * std::pow(s.factor, std::floor(epoch / s.steps[0]));
  }
  const auto passed = std::count_if(s.steps.begin(), s.steps.end(), [&](double at) { return epoch >= at; });
  return s.rate * warm * std::pow(s.factor, static_cast<double>(passed));
}

const std::vector<std::string>& schedule_kinds() {
  static const std::vector<std::string> kinds = {"constant", "step", "multi_step", "cosine", "one_cycle", "linear"};
  return kinds;
}

}  // namespace fovea
