#include "fovea/commands/explain.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/model/for_pictures.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(ExplainOptions& o) {
  return describe(o.model) +
         OptionList{
             {"--batch", "N", "inputs at once", &o.batch, false, {}, 1, 65536},
             {"--runs", "N", "runs over which the median time of each step is taken", &o.runs, false, {}, 1, 1e5},
             {"--refusals", "", "print what each implementation refused and why, also where a fast one was found",
              &o.refusals},
             {"--train", "", "the plan of a training step (SGD with momentum)", &o.train}} +
         describe(o.engine);
}

Report run(const Context& context, const ExplainOptions& options) {
  Model model = open(context, options.model);
  if (options.batch != 1) model = for_pictures(model, options.batch);
  const std::string name = printable(model.meaning.name);
  const Engine engine(options.engine);
  Program program = timed_program(engine, model, options.train, context.seed).program;
  program.profile(static_cast<int>(options.runs));
  double seconds = 0, flops = 0, bytes = 0;
  for (const StepInfo& s : program.steps()) seconds += s.seconds, flops += s.flops, bytes += s.bytes;
  Table table({{"step", false, 30},
               {"operator", false, 16},
               {"implementation", false, 36},
               {"layouts", false, 30},
               {"output", true, 22},
               {"work", true},
               {"bytes", true},
               {"time", true},
               {"share", true},
               {"GFLOP/s", true}});
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  std::string refusals;
  int slow = 0;
  for (const StepInfo& s : program.steps()) {
    const bool reference = s.implementation.find("ref") != std::string::npos;
    slow += reference;
    const double share = seconds > 0 ? s.seconds / seconds : 0;
    table.add({printable(s.name), s.op, reference ? coloured(s.implementation, Ink::yellow) : s.implementation,
               s.layouts, to_string(s.output.shape), s.flops > 0 ? short_number(s.flops) : "", short_bytes(s.bytes),
               short_time(s.seconds), fmt::format("{:.1f} %", share * 100),
               s.flops > 0 && s.seconds > 0 ? fmt::format("{:.1f}", s.flops / s.seconds * 1e-9) : ""});
    nlohmann::ordered_json refused = nlohmann::ordered_json::array();
    for (const Refusal& r : s.refusals) refused.push_back({{"candidate", r.candidate}, {"reason", r.reason}});
    if (options.refusals || reference)
      for (const Refusal& r : s.refusals)
        refusals += fmt::format("  {}: {} refused: {}\n", printable(s.name), r.candidate, r.reason);
    steps.push_back({{"name", printable(s.name)},
                     {"op", s.op},
                     {"implementation", s.implementation},
                     {"layouts", s.layouts},
                     {"output", to_string(s.output)},
                     {"flops", s.flops},
                     {"bytes", s.bytes},
                     {"ms", s.seconds * 1e3},
                     {"share", share},
                     {"reference", reference},
                     {"refusals", refused}});
  }
  const MemoryInfo memory = program.memory();
  Report report;
  report.text = table.text();
  report.text += fmt::format("\n{}, {} in all, {:.1f} GFLOP/s; arena {}, prepared weights {}\n{}\n",
                             counted(program.steps().size(), "step"), short_time(seconds),
                             seconds > 0 ? flops / seconds * 1e-9 : 0, short_bytes(static_cast<double>(memory.arena)),
                             short_bytes(static_cast<double>(memory.weights)), engine.backend->fingerprint());
  if (slow)
    report.text += coloured(fmt::format("{} in plain reference loops (yellow)\n", counted(slow, "step")), Ink::yellow);
  if (!refusals.empty()) report.text += "\nrefusals:\n" + refusals;
  report.set_json({{"name", name},
                   {"backend", engine.backend->name()},
                   {"fingerprint", engine.backend->fingerprint()},
                   {"ms", seconds * 1e3},
                   {"flops", flops},
                   {"bytes", bytes},
                   {"arena_bytes", memory.arena},
                   {"weight_bytes", memory.weights},
                   {"state_bytes", memory.states},
                   {"steps", steps}});
  return report;
}

Command explain_command() {
  return make_command<ExplainOptions>(
      "explain", "the compiled plan of a network and where its time goes",
      "Compiles the network, runs it on random inputs and lists every step: the implementation that was chosen, the "
      "memory layouts, work, "
      "bytes moved and share of the time. Reorders between layouts are steps of their own. Steps without a fast "
      "implementation say what refused them.",
      {{"fovea explain model.onnx", "the plan"},
       {"fovea explain model.onnx --refusals", "with every candidate that said no, and why"},
       {"fovea explain model.onnx --level 1", "before fusion: for finding out what it brings"}},
      run);
}

}  // namespace fovea
