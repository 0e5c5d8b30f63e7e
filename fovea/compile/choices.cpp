#include "fovea/compile/choices.h"

#include <fmt/ranges.h>

#include <vector>

#include "fovea/base/error.h"

namespace fovea {

namespace {

constexpr std::string_view kFirstLine = "fovea plan 1";

std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '\\') result += "\\\\";
    else if (c == '\n') result += "\\n";
    else if (c == '\t') result += "\\t";
    else result += c;
  }
  return result;
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) result += text[i];
    else if (const char c = text[++i]; c == 'n') result += '\n';
    else result += c == 't' ? '\t' : c;
  }
  return result;
}

std::vector<std::string_view> parts_of(std::string_view line) {
  std::vector<std::string_view> parts;
  for (size_t tab = line.find('\t'); tab != std::string_view::npos; tab = line.find('\t')) {
    parts.push_back(line.substr(0, tab));
    line.remove_prefix(tab + 1);
  }
  parts.push_back(line);
  return parts;
}

}  // namespace

std::string layouts_text(const Lowering& lowering) {
  std::vector<std::string> from, to;
  for (const Layout& layout : lowering.inputs) from.push_back(layout.name);
  for (const Layout& layout : lowering.outputs) to.push_back(layout.name);
  return fmt::format("{} → {}", fmt::join(from, ", "), fmt::join(to, ", "));
}

std::string to_text(const Choices& choices) {
  std::string text = fmt::format("{}\nbackend\t{}\n", kFirstLine, escaped(choices.backend));
  for (const auto& [name, layout] : choices.states) text += fmt::format("state\t{}\t{}\n", layout, escaped(name));
  for (const auto& [name, step] : choices.steps)
    text += fmt::format("step\t{}\t{}\t{}\n", escaped(step.implementation), step.layouts, escaped(name));
  return text;
}

Choices parse_choices(std::string_view text) {
  Choices choices;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (++number == 1) {
      require(line == kFirstLine, ErrorKind::usage, "a plan begins with \"{}\", not with \"{}\"", kFirstLine,
              line.substr(0, 40));
      continue;
    }
    const auto parts = parts_of(line);
    if (parts[0] == "backend" && parts.size() == 2) choices.backend = unescaped(parts[1]);
    else if (parts[0] == "state" && parts.size() == 3) choices.states[unescaped(parts[2])] = std::string(parts[1]);
    else if (parts[0] == "step" && parts.size() == 4)
      choices.steps[unescaped(parts[3])] = {unescaped(parts[1]), std::string(parts[2])};
    else
      fail(ErrorKind::usage, "line {} of the plan is \"{}\", expected backend, state or step and their parts", number,
           line.substr(0, 60));
  }
  require(number > 0, ErrorKind::usage, "the plan is empty");
  return choices;
}

}  // namespace fovea
