// Text for terminals: tables, bars, colours, numbers that a person reads easily.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// Columns are as wide as their widest cell, at most `most` characters (then cut in the middle with "…").
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;  // numbers
    size_t most = 40;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // Cells may hold colours. Missing cells are empty.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void add_rule() { rows_.push_back({}); }
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

enum class Ink { bold, dim, red, green, yellow, blue, cyan };
// The text between the terminal's codes for a colour.
std::string coloured(std::string_view text, Ink ink);
// Takes all terminal codes out.
std::string without_colours(std::string_view text);
// Characters that a terminal shows: colours and continuation bytes do not count.
size_t shown_width(std::string_view text);
// Text from a file, fit to be shown: control characters become '?', broken UTF-8 too.
std::string printable(std::string_view text);

// A bar of eighth blocks for 0..1, `width` characters wide.
std::string bar(double share, int width);
// "1.24 M", "349 M", "12": three significant digits.
std::string short_number(double value);
// "4.7 MiB".
std::string short_bytes(double bytes);
// "3.21 ms".
std::string short_time(double seconds);

}  // namespace fovea
