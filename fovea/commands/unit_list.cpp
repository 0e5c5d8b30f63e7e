#include "fovea/commands/unit_list.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "fovea/base/error.h"

namespace fovea {

namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

}  // namespace

std::vector<int64_t> unit_list(const std::string& text, int64_t count, const std::string& what) {
  if (text == "all") return first_units(count, count);
  std::vector<int64_t> units;
  std::vector<bool> taken(static_cast<size_t>(count), false);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const size_t dash = part.find('-');
    const auto first = whole_number(part.substr(0, dash)),
               last = dash == part.npos ? first : whole_number(part.substr(dash + 1));
    require(first && last && *first <= *last, ErrorKind::usage,
            "{}: \"{}\" is no number or range; expected such as 7, 0-15,40 or all", what, part);
    require(*last < count, ErrorKind::usage, "{}: there is no {}, only 0 to {}", what, *last, count - 1);
    for (int64_t u = *first; u <= *last; ++u) {
      require(!taken[static_cast<size_t>(u)], ErrorKind::usage, "{}: {} is given twice", what, u);
      taken[static_cast<size_t>(u)] = true;
      units.push_back(u);
    }
    begin = end + 1;
  }
  return units;
}

std::vector<int64_t> first_units(int64_t count, int64_t most) {
  std::vector<int64_t> units;
  for (int64_t u = 0; u < std::min(count, most); ++u) units.push_back(u);
  return units;
}

std::string unit_text(const std::vector<int64_t>& units) {
  std::string text;
  for (size_t i = 0; i < units.size();) {
    size_t j = i;
    while (j + 1 < units.size() && units[j + 1] == units[j] + 1) ++j;
    text += text.empty() ? "" : ",";
    text += j > i ? fmt::format("{}-{}", units[i], units[j]) : fmt::format("{}", units[i]);
    i = j + 1;
  }
  return text;
}

std::vector<std::string> split_names(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  for (std::string_view rest : arguments) {
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(','), rest.size());
      std::string_view part = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
      while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
      if (!part.empty()) result.emplace_back(part);
    }
  }
  return result;
}

}  // namespace fovea
