#include "fovea/commands/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/model/for_pictures.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(BenchOptions& o) {
  return describe(o.model) +
         OptionList{{"--batch", "N", "inputs at once", &o.batch, false, {}, 1, 65536},
                    {"--runs", "N", "timed runs", &o.runs, false, {}, 1, 1e6},
                    {"--warm-up", "N", "runs before the timing begins", &o.warm_up, false, {}, 0, 1e6},
                    {"--train", "", "time training steps (SGD with momentum) instead of inference", &o.train}} +
         describe(o.engine);
}

Report run(const Context& context, const BenchOptions& options) {
  using Clock = std::chrono::steady_clock;
  Model model = open(context, options.model);
  if (options.batch != 1) model = for_pictures(model, options.batch);
  const std::string name = printable(model.meaning.name);
  const Engine engine(options.engine);
  const auto compile_start = Clock::now();
  TimedProgram timed = timed_program(engine, model, options.train, context.seed);
  Program& program = timed.program;
  const double flops = timed.flops;
  const double compile_seconds = std::chrono::duration<double>(Clock::now() - compile_start).count();
  const auto check_interrupted = [&] { require(!context.cancelled(), ErrorKind::usage, "interrupted"); };
  for (int64_t i = 0; i < options.warm_up; ++i) {
    check_interrupted();
    program.execute();
  }
  std::vector<double> times;
  for (int64_t i = 0; i < options.runs; ++i) {
    check_interrupted();
    const auto start = Clock::now();
    program.execute();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    context.report({"timing", i + 1, options.runs, ""});
  }
  std::vector<double> sorted = times;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size();
  const double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  const double low = sorted[n / 4], high = sorted[std::min(n - 1, n * 3 / 4)];
  const double peak = static_cast<double>(peak_memory());
  Report report;
  report.text = fmt::format(
      "{}, batch {}, {}: {} median of {}, least {}, middle half {} to {}\n{:.1f} GFLOP/s ({} a run), "
      "{:.1f} inputs/s\n"
      "peak memory {} (arena {}, prepared weights {}), compiled in {}\n",
      coloured(name, Ink::bold), options.batch, counted(thread_count(), "thread"),
      coloured(short_time(median), Ink::bold), counted(n, "run"), short_time(sorted[0]), short_time(low),
      short_time(high), flops / median * 1e-9, short_number(flops), static_cast<double>(options.batch) / median,
      short_bytes(peak), short_bytes(static_cast<double>(program.memory().arena)),
      short_bytes(static_cast<double>(program.memory().weights)), short_time(compile_seconds));
  std::vector<double> times_ms;
  for (const double t : times) times_ms.push_back(t * 1e3);
  report.set_json({{"name", name},
                   {"batch", options.batch},
                   {"threads", thread_count()},
                   {"runs", options.runs},
                   {"median_ms", median * 1e3},
                   {"min_ms", sorted[0] * 1e3},
                   {"low_quartile_ms", low * 1e3},
                   {"high_quartile_ms", high * 1e3},
                   {"gflops", flops / median * 1e-9},
                   {"flops", flops},
                   {"peak_mib", peak / 1048576},
                   {"arena_mib", static_cast<double>(program.memory().arena) / 1048576},
                   {"weights_mib", static_cast<double>(program.memory().weights) / 1048576},
                   {"compile_ms", compile_seconds * 1e3},
                   {"times_ms", times_ms}});
  return report;
}

Command bench_command() {
  return make_command<BenchOptions>(
      "bench", "how fast a network runs here",
      "Compiles the network, feeds it random inputs and times whole runs, without reading or preparing pictures.",
      {{"fovea bench model.onnx", "latency of one picture"},
       {"fovea bench zoo:resnet20_cifar --train --batch 128", "training steps"},
       {"fovea bench model.onnx --batch 16 --runs 10", "sixteen at once"},
       {"fovea bench model.onnx --exact --threads 1 --json", "without Winograd, on one thread, for a program"}},
      run);
}

}  // namespace fovea
