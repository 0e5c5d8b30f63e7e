// TOML text → a tree of values that know where they stand, and the checked reading of its tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/tensor/shape.h"

namespace fovea {

struct TomlValue {
  enum class Kind { boolean, integer, number, text, list, table };
  Kind kind = Kind::table;
  std::string key;  // its name in the table that holds it; empty in a list
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<TomlValue> items;  // of a list; of a table in the file's order, each with its key
  int line = 0;                  // from 1

  // The entry of a table, or null.
  const TomlValue* find(std::string_view name) const;
  // "the integer 3", "a list", for messages.
  std::string described() const;
};

// Reads TOML 1.0 (toml++). The label of the bytes names the file in messages. Throws Error{format} with the line for
// text that is no TOML, and for what no description or recipe needs: more than 1 MiB, nesting beyond 32 levels, names
// of more than 16 parts, dates and times.
TomlValue read_toml(const Bytes& file);

// The same value as TOML: entries of a table as lines, its tables as [sections] (path: the section's own name). Reads
// back to the same tree, numbers to the same bits.
std::string write_toml(const TomlValue& table, const std::string& path = {});
// A text in quotes; a number with a point or an exponent that reads back to the same bits.
std::string toml_text(std::string_view text);
std::string toml_number(double value);

// Reads one table key by key. Each getter gives `otherwise` where the key is not there and throws Error{format} naming
// file, line, table and key, what was expected and what is there. finish() refuses the keys that nobody asked for, with
// the nearest one that somebody did.
class TomlSection {
 public:
  // what: how messages call the table: `layer "conv1" (conv)`; may be empty.
  TomlSection(const TomlValue& table, std::string file, std::string what = {});

  bool has(std::string_view key) { return find(key) != nullptr; }
  const TomlValue* find(std::string_view key);
  bool flag(std::string_view key, bool otherwise);
  int64_t integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  double number(std::string_view key, double otherwise, double least, double most);
  std::string text(std::string_view key, std::string otherwise);
  std::string choice(std::string_view key, std::string otherwise, const std::vector<std::string>& choices);
  // An integer or a list of integers; empty when not given.
  Ints integers(std::string_view key, int64_t least, int64_t most);
  std::vector<double> numbers(std::string_view key, double least, double most);
  // A text or a list of texts.
  std::vector<std::string> texts(std::string_view key);

  void finish() const;

  // Throws for a key; an empty one means the table itself.
  template <class... Args>
  [[noreturn]] void wrong(std::string_view key, fmt::format_string<Args...> format, Args&&... args) const {
    fail_at(key, fmt::format(format, std::forward<Args>(args)...));
  }
  // "net.toml: line 12: layer "conv1" (conv)".
  std::string where(std::string_view key = {}) const;
  const TomlValue& table() const { return table_; }

 private:
  [[noreturn]] void fail_at(std::string_view key, const std::string& message) const;
  int64_t checked_integer(std::string_view key, const TomlValue& v, int64_t least, int64_t most) const;
  double checked_number(std::string_view key, const TomlValue& v, double least, double most) const;

  const TomlValue& table_;
  std::string file_, what_;
  std::vector<std::string> known_;
};

}  // namespace fovea
