#include "fovea/commands/command.h"
#include "fovea/commands/activations.h"
#include "fovea/commands/again.h"
#include "fovea/commands/atlas.h"
#include "fovea/commands/attribute.h"
#include "fovea/commands/bench.h"
#include "fovea/commands/classify.h"
#include "fovea/commands/convert.h"
#include "fovea/commands/data.h"
#include "fovea/commands/deconv.h"
#include "fovea/commands/demo.h"
#include "fovea/commands/diff.h"
#include "fovea/commands/docs.h"
#include "fovea/commands/doctor.h"
#include "fovea/commands/evaluate.h"
#include "fovea/commands/explain.h"
#include "fovea/commands/features.h"
#include "fovea/commands/fetch.h"
#include "fovea/commands/field.h"
#include "fovea/commands/filters.h"
#include "fovea/commands/inspect.h"
#include "fovea/commands/invert.h"
#include "fovea/commands/layers.h"
#include "fovea/commands/map.h"
#include "fovea/commands/maximise.h"
#include "fovea/commands/neighbours.h"
#include "fovea/commands/report.h"
#include "fovea/commands/style.h"
#include "fovea/commands/summary.h"
#include "fovea/commands/texture.h"
#include "fovea/commands/top.h"
#include "fovea/commands/train.h"
#include "fovea/commands/verify.h"
#include "fovea/commands/zoo.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fovea {

void Report::set_json(const nlohmann::ordered_json& value) {
  json = std::make_shared<const nlohmann::ordered_json>(value);
}

OptionList operator+(OptionList a, OptionList b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  return a;
}

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = {
      inspect_command(), classify_command(),  train_command(),       evaluate_command(),   report_command(),
      data_command(),    filters_command(),   activations_command(), top_command(),        field_command(),
      deconv_command(),  attribute_command(), maximise_command(),    invert_command(),     texture_command(),
      style_command(),   again_command(),     features_command(),    neighbours_command(), map_command(),
      atlas_command(),   summary_command(),   layers_command(),      diff_command(),       zoo_command(),
      fetch_command(),   convert_command(),   explain_command(),     bench_command(),      verify_command(),
      doctor_command(),  demo_command(),      docs_command()};
  return commands;
}

const Command* find_command(std::string_view name) {
  // As Americans spell them.
  if (name == "maximize") name = "maximise";
  if (name == "neighbors") name = "neighbours";
  for (const Command& command : all_commands())
    if (command.name == name) return &command;
  return nullptr;
}

std::string default_text(const Option& option) {
  struct {
    std::string operator()(bool* v) const { return *v ? "on" : ""; }
    std::string operator()(int64_t* v) const { return fmt::format("{}", *v); }
    std::string operator()(double* v) const { return fmt::format("{:g}", *v); }
    std::string operator()(std::string* v) const { return *v; }
    std::string operator()(std::vector<std::string>* v) const { return fmt::format("{}", fmt::join(*v, " ")); }
  } text;
  return std::visit(text, option.target);
}

namespace {

bool repeats(const Option& o) { return std::holds_alternative<std::vector<std::string>*>(o.target); }

std::string usage_line(const Command& command, const OptionList& options) {
  std::string line = "fovea " + command.name;
  for (const Option& o : options)
    if (o.positional())
      line += fmt::format(" {}{}{}", o.required ? "" : "[", o.name + (repeats(o) ? "..." : ""), o.required ? "" : "]");
  return line + " [options]";
}

// Text broken into lines of at most `width` characters, each after the first indented.
std::string wrapped(std::string_view text, size_t width, size_t indent) {
  std::string result;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (column > 0 && column + 1 + end > width) {
      result += "\n" + std::string(indent, ' ');
      column = 0;
    } else if (column > 0) {
      result += ' ';
      ++column;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string option_help(const Option& o) {
  std::string help = o.help;
  if (!o.choices.empty()) help += fmt::format(" ({})", fmt::join(o.choices, ", "));
  if (const std::string value = default_text(o); !value.empty() && !o.required) help += fmt::format(" [{}]", value);
  return help;
}

std::string option_head(const Option& o) { return o.value.empty() ? o.name : o.name + " " + o.value; }

}  // namespace

std::string help_text(const Command& command) {
  const auto defaults = command.make_options();
  const OptionList options = command.describe(defaults.get());
  std::string text = fmt::format("{}\n\n{}\n\nusage: {}\n", command.summary, wrapped(command.description, 96, 0),
                                 usage_line(command, options));
  auto section = [&](std::string_view title, bool positional) {
    bool first = true;
    for (const Option& o : options) {
      if (o.positional() != positional) continue;
      if (first) text += fmt::format("\n{}:\n", title);
      first = false;
      text += fmt::format("  {:<20} {}\n", option_head(o), wrapped(option_help(o), 74, 23));
    }
  };
  section("arguments", true);
  section("options", false);
  text += "\nfor every command:\n";
  text += "  --json               the result as JSON on standard output, and nothing else there\n";
  text += "  --threads N          threads to compute with [OMP_NUM_THREADS, or all cores]\n";
  text += "  --quiet              no notes and no progress\n";
  text += "  --help               this text\n";
  if (!command.examples.empty()) text += "\nexamples:\n";
  for (const Example& e : command.examples) text += fmt::format("  {}\n      {}\n", e.line, e.does);
  return text;
}

std::string markdown_page(const Command& command) {
  const auto defaults = command.make_options();
  const OptionList options = command.describe(defaults.get());
  std::string text = fmt::format("# fovea {}\n\n{}. {}\n\n```\n{}\n```\n\n", command.name, command.summary,
                                 command.description, usage_line(command, options));
  text += "| option | meaning | default |\n|---|---|---|\n";
  for (const Option& o : options) {
    std::string help = o.help;
    if (!o.choices.empty()) help += fmt::format(" ({})", fmt::join(o.choices, ", "));
    const std::string value = o.required ? "required" : default_text(o);
    text += fmt::format("| `{}` | {} | {} |\n", option_head(o), help, value);
  }
  text += "\nAlso, as for every command: `--json`, `--threads N`, `--quiet`, `--help`.\n";
  if (!command.examples.empty()) text += "\n## Examples\n";
  for (const Example& e : command.examples) text += fmt::format("\n{}:\n\n```\n{}\n```\n", e.does, e.line);
  return text;
}

namespace {}  // namespace

}  // namespace fovea
