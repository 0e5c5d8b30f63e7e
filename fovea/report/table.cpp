#include "fovea/report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea {

namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Cuts the middle of a text that is too wide; texts with colours are left alone.
std::string fitted(const std::string& text, size_t most) {
  if (shown_width(text) <= most || text.find('\033') != text.npos || most < 3) return text;
  std::vector<std::string> characters;
  for (const char c : text) {
    if (is_continuation(c) && !characters.empty()) characters.back() += c;
    else characters.emplace_back(1, c);
  }
  const size_t head = (most - 1) / 2, tail = most - 1 - head;
  std::string result;
  for (size_t i = 0; i < head; ++i) result += characters[i];
  result += "…";
  for (size_t i = characters.size() - tail; i < characters.size(); ++i) result += characters[i];
  return result;
}

}  // namespace

std::string Table::text() const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = shown_width(columns_[c].title);
    for (const auto& row : rows_)
      if (c < row.size()) width = std::max(width, shown_width(fitted(row[c], columns_[c].most)));
    widths.push_back(width);
  }
  std::string result;
  auto line = [&](const std::vector<std::string>& cells, bool title) {
    std::string text;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string cell = c < cells.size() ? fitted(cells[c], columns_[c].most) : "";
      const std::string space(widths[c] - std::min(widths[c], shown_width(cell)), ' ');
      if (c) text += "  ";
      const std::string shown = title ? coloured(cell, Ink::bold) : cell;
      text += columns_[c].right ? space + shown : shown + space;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    result += text + "\n";
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  line(titles, true);
  for (const auto& row : rows_) {
    if (!row.empty()) {
      line(row, false);
      continue;
    }
    size_t total = 2 * (widths.size() - 1);
    for (const size_t w : widths) total += w;
    for (size_t i = 0; i < total; ++i) result += "─";
    result += "\n";
  }
  return result;
}

std::string coloured(std::string_view text, Ink ink) {
  static constexpr int kCodes[] = {1, 2, 31, 32, 33, 34, 36};
  return fmt::format("\033[{}m{}\033[0m", kCodes[static_cast<size_t>(ink)], text);
}

std::string without_colours(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\033') {
      result += text[i];
      continue;
    }
    while (i < text.size() && text[i] != 'm') ++i;
  }
  return result;
}

size_t shown_width(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if (!is_continuation(text[i])) {
      ++width;
    }
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 1 : c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 0;
    bool good = length > 0 && c < 0xF5 && i + length <= text.size() && c >= 0x20 && c != 0x7F;
    for (size_t k = 1; good && k < length; ++k) good = is_continuation(text[i + k]);
    if (good && length == 2 && c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      good = false;  // C1 controls
    result += good ? std::string(text.substr(i, length)) : "?";
    i += good ? length : 1;
  }
  return result;
}

std::string bar(double share, int width) {
  static constexpr std::string_view kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double clipped = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0;
  const int eighths = static_cast<int>(std::lround(clipped * width * 8));
  std::string result;
  for (int i = 0; i < eighths / 8; ++i) result += "█";
  return result + std::string(kParts[eighths % 8]);
}

namespace {
std::string scaled(double value, double step, std::initializer_list<std::string_view> units) {
  auto unit = units.begin();
  while (std::abs(value) >= step * 0.9995 && unit + 1 != units.end()) value /= step, ++unit;
  const int digits = std::abs(value) >= 99.95 || (unit == units.begin() && value == std::floor(value)) ? 0
                     : std::abs(value) >= 9.995                                                        ? 1
                                                                                                       : 2;
  return fmt::format("{:.{}f}{}{}", value, digits, unit->empty() ? "" : " ", *unit);
}
}  // namespace

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  return scaled(value, 1000, {"", "k", "M", "G", "T", "P"});
}
std::string short_bytes(double bytes) { return scaled(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"}); }
std::string short_time(double seconds) {
  if (seconds >= 0.9995) return fmt::format("{:.2f} s", seconds);
  return seconds >= 0.9995e-3 ? fmt::format("{:.3g} ms", seconds * 1e3) : fmt::format("{:.3g} µs", seconds * 1e6);
}

}  // namespace fovea
