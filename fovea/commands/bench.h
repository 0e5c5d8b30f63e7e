#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct BenchOptions {
  ModelOptions model;
  EngineOptions engine;
  int64_t batch = 1, runs = 20, warm_up = 3;
  bool train = false;
};
OptionList describe(BenchOptions& options);

// How long a run takes: median, least, spread, GFLOP/s, and the peak memory of this process.
Report run(const Context& context, const BenchOptions& options);
Command bench_command();

}  // namespace fovea
