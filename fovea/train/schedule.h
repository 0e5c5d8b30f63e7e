// How the learning rate goes over a training run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

struct ScheduleSettings {
  std::string kind = "constant";  // constant, step, multi_step, cosine, one_cycle, linear
  double rate = 0.1;              // the largest
  double final = 0;               // cosine, linear: the rate at the end, as a share of `rate`
  double warm_up = 0;             // epochs in which the rate grows linearly from 0
  std::vector<double> steps;      // multi_step: epochs at which it is multiplied by `factor`; step: one, its period
  double factor = 0.1;
  double peak = 0.3;    // one_cycle: the share of the run in which the rate grows
  double start = 0.04;  // one_cycle: the share of `rate` that it begins with (1/25)
};

// The learning rate at a time in epochs (fractions allowed) of a run of `epochs`. Throws Error{usage} for an unknown
// kind or settings that make no sense. Sources: Loshchilov & Hutter, "SGDR", ICLR 2017 (cosine, without restarts);
// Smith & Topin, "Super-convergence", 2018, in PyTorch's form (one cycle, cosine halves down to rate · start / 1e4);
// Goyal et al., "Accurate, large minibatch SGD", 2017 (warm-up).
double rate_at(const ScheduleSettings& settings, double epoch, double epochs);

const std::vector<std::string>& schedule_kinds();

}  // namespace fovea
