#include "fovea/commands/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <string_view>

namespace fovea {

namespace {

std::vector<std::string> names_of(const Option& option) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= option.name.size();) {
    const size_t end = std::min(option.name.find(',', begin), option.name.size());
    names.push_back(option.name.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// The values of an option as text: none, one, or one a repetition. Numbers are written so that reading them gives the
// same bits.
std::vector<std::string> values_of(const Option& option) {
  struct {
    std::vector<std::string> operator()(bool* v) const { return {*v ? "on" : "off"}; }
    std::vector<std::string> operator()(int64_t* v) const { return {fmt::format("{}", *v)}; }
    std::vector<std::string> operator()(double* v) const { return {fmt::format("{}", *v)}; }
    std::vector<std::string> operator()(std::string* v) const { return {*v}; }
    std::vector<std::string> operator()(std::vector<std::string>* v) const { return *v; }
  } values;
  return std::visit(values, option.target);
}

template <class Number>
void read_number(const Option& option, const std::string& value, Number& number) {
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number);
  require(error == std::errc() && rest == end, ErrorKind::usage, "{}: expected a number, got \"{}\"", option.name,
          value);
  require(static_cast<double>(number) >= option.least && static_cast<double>(number) <= option.most, ErrorKind::usage,
          "{}: {} is not in the range {:g} to {:g}", option.name, value, option.least, option.most);
}

void set_value(const Option& option, const std::string& value) {
  require(
      option.choices.empty() || std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end(),
      ErrorKind::usage, "{}: \"{}\" is none of {}{}", option.name, value, fmt::join(option.choices, ", "),
      did_you_mean(value, option.choices));
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, bool>) *target = value == "on";
        else if constexpr (std::is_arithmetic_v<T>) read_number(option, value, *target);
        else if constexpr (std::is_same_v<T, std::string>) *target = value;
        else target->push_back(value);
      },
      option.target);
}

}  // namespace

std::string long_name(const Option& option) {
  const std::vector<std::string> names = names_of(option);
  const auto first = std::find_if(names.begin(), names.end(), [](const auto& name) { return name.starts_with("--"); });
  return first != names.end() ? *first : names[0];
}

bool is_placement(const Option& option) {
  static constexpr std::array<std::string_view, 10> kNames = {
      "--output",  "--save",    "--report",        "--open",       "--plan",
      "--profile", "--preview", "--preview-every", "--save-every", "--resume"};
  const std::string name = long_name(option);
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string placement_in(const OptionList& options, const OptionList& defaults) {
  require(options.size() == defaults.size(), ErrorKind::internal, "{} options and {} defaults", options.size(),
          defaults.size());
  for (size_t i = 0; i < options.size(); ++i)
    if (is_placement(options[i]) && values_of(options[i]) != values_of(defaults[i])) return long_name(options[i]);
  return "";
}

const Option* find_option(const OptionList& options, const std::string& name) {
  for (const Option& option : options) {
    const std::vector<std::string> names = names_of(option);
    if (!option.positional() && std::find(names.begin(), names.end(), name) != names.end()) return &option;
  }
  return nullptr;
}

namespace {

// The options that differ from their defaults and that `wanted` names, as arguments.
std::vector<std::string> changed_arguments(const OptionList& options, const OptionList& defaults,
                                           const std::function<bool(const Option&)>& wanted) {
  require(options.size() == defaults.size(), ErrorKind::internal, "{} options and {} defaults", options.size(),
          defaults.size());
  std::vector<std::string> arguments;
  for (const bool positional : {true, false})
    for (size_t i = 0; i < options.size(); ++i) {
      const Option& option = options[i];
      const std::vector<std::string> values = values_of(option);
      if (option.positional() != positional || !wanted(option) || values == values_of(defaults[i])) continue;
      const bool is_switch = std::holds_alternative<bool*>(option.target);
      if (is_switch) arguments.push_back(long_name(option));
      else
        for (const std::string& value : values) {
          if (!positional) arguments.push_back(long_name(option));
          arguments.push_back(value);
        }
    }
  return arguments;
}

}  // namespace

std::vector<std::string> arguments_of(const OptionList& options, const OptionList& defaults) {
  return changed_arguments(options, defaults, [](const Option& option) { return !is_placement(option); });
}

std::vector<std::string> placements_of(const OptionList& options, const OptionList& defaults) {
  return changed_arguments(options, defaults, [](const Option& option) {
    const std::string name = long_name(option);
    return is_placement(option) && name != "--resume" && name != "--plan";
  });
}

void set_option(const OptionList& options, const std::string& name, const std::string& value) {
  const Option* option = find_option(options, name);
  if (!option) {
    std::vector<std::string> known;
    for (const Option& o : options) known.push_back(long_name(o));
    fail(ErrorKind::usage, "unknown option {}{}", name, did_you_mean(name, known));
  }
  set_value(*option, value);
}

void set_options(const OptionList& options, std::span<const std::string> arguments) {
  size_t next = 0;  // positional argument
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with("--")) {
      const Option* option = find_option(options, arguments[i]);
      if (option && std::holds_alternative<bool*>(option->target)) {
        set_value(*option, "on");
        continue;
      }
      require(!option || i + 1 < arguments.size(), ErrorKind::usage, "{}: its value is missing", arguments[i]);
      set_option(options, arguments[i], option ? arguments[i + 1] : "");
      ++i;
      continue;
    }
    while (next < options.size() && !options[next].positional()) ++next;
    require(next < options.size(), ErrorKind::usage, "too many arguments: {}", arguments[i]);
    set_value(options[next], arguments[i]);
    if (!std::holds_alternative<std::vector<std::string>*>(options[next].target)) ++next;
  }
}

std::string shell_line(std::span<const std::string> arguments) {
  const auto quoted = [](const std::string& text) {
    static constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^";
    if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return text;
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
  };
  std::string line;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool value_after =
        i > 0 && arguments[i - 1].starts_with("--") && arguments[i].starts_with("-") && !arguments[i].starts_with("--");
    if (i > 0) line += value_after ? "=" : " ";
    line += quoted(arguments[i]);
  }
  return line;
}

}  // namespace fovea
