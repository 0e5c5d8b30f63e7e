#include "fovea/commands/step_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "fovea/report/table.h"

namespace fovea {

std::string step_profile(Program& program, int runs, size_t shown) {
  program.profile(runs);
  std::vector<const StepInfo*> steps;
  double total = 0, flops = 0;
  for (const StepInfo& s : program.steps()) {
    steps.push_back(&s);
    total += s.seconds;
    flops += s.flops;
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const StepInfo* a, const StepInfo* b) { return a->seconds > b->seconds; });
  const auto share = [&](double seconds) { return fmt::format("{:.1f} %", total > 0 ? 100 * seconds / total : 0); };
  Table table({{"step", false, 34}, {"operator"}, {"implementation", false, 36}, {"time", true}, {"share", true}});
  double rest = total;
  for (size_t i = 0; i < std::min(shown, steps.size()); ++i) {
    const StepInfo& s = *steps[i];
    table.add({printable(s.name), s.op, s.implementation, short_time(s.seconds), share(s.seconds)});
    rest -= s.seconds;
  }
  if (steps.size() > shown)
    table.add({fmt::format("{} others", steps.size() - shown), "", "", short_time(rest), share(rest)});
  return table.text() + fmt::format("{} a step, {:.1f} GFLOP/s, arena {}\n", short_time(total),
                                    total > 0 ? flops / total * 1e-9 : 0,
                                    short_bytes(static_cast<double>(program.memory().arena)));
}

nlohmann::ordered_json step_json(const Program& program, double seconds) {
  const MemoryInfo memory = program.memory();
  return {{"seconds", seconds}, {"arena", memory.arena}, {"weights", memory.weights}, {"states", memory.states}};
}

}  // namespace fovea
