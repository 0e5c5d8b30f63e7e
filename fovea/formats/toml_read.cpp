#include "fovea/formats/toml_read.h"

#include <toml++/toml.h>

#include <algorithm>

#include "fovea/base/nearest.h"

namespace fovea {

namespace {

constexpr size_t kMostText = size_t{1} << 20;
constexpr int kDeepest = 32, kMostParts = 16;

bool is_bare(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// Keeps the parser and its tree shallow: brackets and names of many parts ("a.b.c.d") both nest. Strings are skipped as
// TOML defines them; where the text is no TOML the parser stops before it sees what this misjudges.
class NestingCheck {
 public:
  explicit NestingCheck(const Bytes& file) : file_(file), text_(file.view()) {}

  void run() {
    while (i_ < text_.size()) {
      const char c = text_[i_];
      if (c == '\n') ++line_, parts_ = 0, fresh_ = true;
      if (c == '[' && fresh_ && depth_ == 0) check_header();
      if (c == '=') fresh_ = false;
      if (c == '#') {
        i_ = std::min(text_.find('\n', i_), text_.size());
        continue;
      }
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      count(c);
      ++i_;
    }
  }

 private:
  // The parser takes it for granted that a header's brackets are followed by a name.
  void check_header() const {
    size_t at = i_ + (text_.substr(i_, 2) == "[[" ? 2 : 1);
    at = std::min(text_.find_first_not_of(" \t", at), text_.size());
    const bool name = at < text_.size() && (text_[at] == '"' || text_[at] == '\'' || is_bare(text_.substr(at, 1)));
    require(name, ErrorKind::format, "{}: line {}: expected a section's name behind the bracket", file_.label(), line_);
  }

  void count(char c) {
    if (c == '[' || c == '{') ++depth_;
    if (c == ']' || c == '}') --depth_;
    if (c == '.') ++parts_;
    if (c == ',' || c == '=' || c == ']' || c == '}' || c == '{') parts_ = 0;
    require(depth_ <= kDeepest, ErrorKind::format, "{}: line {}: values nest more than {} deep", file_.label(), line_,
            kDeepest);
    require(parts_ < kMostParts, ErrorKind::format, "{}: line {}: a name of more than {} parts", file_.label(), line_,
            kMostParts);
  }

  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool longer = text_.substr(i_, 3) == three;
    i_ += longer ? 3 : 1;
    for (; i_ < text_.size(); ++i_) {
      const char c = text_[i_];
      if (c == '\n') {
        if (!longer) return;
        ++line_;
      } else if (c == '\\' && quote == '"') {
        ++i_;
        if (i_ < text_.size() && text_[i_] == '\n') ++line_;
      } else if (longer ? text_.substr(i_, 3) == three : c == quote) {
        i_ += longer ? 3 : 1;
        for (int extra = 0; longer && extra < 2 && i_ < text_.size() && text_[i_] == quote; ++extra) ++i_;
        return;
      }
    }
  }

  const Bytes& file_;
  const std::string_view text_;
  size_t i_ = 0;
  int depth_ = 0, parts_ = 0, line_ = 1;
  bool fresh_ = true;  // no = in this line so far: a bracket is a header's
};

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

TomlValue converted(const toml::node& node, const Bytes& file) {
  TomlValue v;
  v.line = line_of(node);
  if (const auto* table = node.as_table()) {
    std::vector<std::pair<toml::source_position, TomlValue>> entries;
    for (const auto& entry : *table) {
      TomlValue item = converted(entry.second, file);
      item.key = std::string(entry.first.str());
      entries.emplace_back(entry.first.source().begin, std::move(item));
    }
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& entry : entries) v.items.push_back(std::move(entry.second));
  } else if (const auto* list = node.as_array()) {
    v.kind = TomlValue::Kind::list;
    for (const toml::node& item : *list) v.items.push_back(converted(item, file));
  } else if (const auto* text = node.as_string()) {
    v.kind = TomlValue::Kind::text;
    v.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    v.kind = TomlValue::Kind::integer;
    v.integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    v.kind = TomlValue::Kind::number;
    v.number = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    v.kind = TomlValue::Kind::boolean;
    v.boolean = flag->get();
  } else {
    fail(ErrorKind::format, "{}: line {}: a date or time, which means nothing here", file.label(), v.line);
  }
  return v;
}

std::string written_key(const std::string& key) { return is_bare(key) ? key : toml_text(key); }

bool is_list_of_tables(const TomlValue& v) {
  return v.kind == TomlValue::Kind::list && !v.items.empty() &&
         std::all_of(v.items.begin(), v.items.end(),
                     [](const TomlValue& item) { return item.kind == TomlValue::Kind::table; });
}

// A value within a line.
std::string inline_text(const TomlValue& v) {
  std::string text;
  switch (v.kind) {
    case TomlValue::Kind::boolean: return v.boolean ? "true" : "false";
    case TomlValue::Kind::integer: return fmt::format("{}", v.integer);
    case TomlValue::Kind::number: return toml_number(v.number);
    case TomlValue::Kind::text: return toml_text(v.text);
    case TomlValue::Kind::list:
      for (const TomlValue& item : v.items) text += (text.empty() ? "" : ", ") + inline_text(item);
      return "[" + text + "]";
    case TomlValue::Kind::table:
      for (const TomlValue& item : v.items)
        text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", written_key(item.key), inline_text(item));
      return text.empty() ? "{}" : "{ " + text + " }";
  }
  return text;
}

}  // namespace

const TomlValue* TomlValue::find(std::string_view name) const {
  for (const TomlValue& item : items)
    if (item.key == name) return &item;
  return nullptr;
}

std::string TomlValue::described() const {
  switch (kind) {
    case Kind::boolean: return boolean ? "true" : "false";
    case Kind::integer: return fmt::format("{}", integer);
    case Kind::number: return toml_number(number);
    case Kind::text: return text.size() > 80 ? toml_text(text.substr(0, 77)) + "…" : toml_text(text);
    case Kind::list: return fmt::format("a list of {}", items.size());
    case Kind::table: return "a table";
  }
  return {};
}

TomlValue read_toml(const Bytes& file) {
  require(file.size() <= kMostText, ErrorKind::format, "{}: {} bytes; a description has at most {}", file.label(),
          file.size(), kMostText);
  NestingCheck(file).run();
  try {
    const toml::table table = toml::parse(file.view());
    return converted(table, file);
  } catch (const toml::parse_error& e) {
    fail(ErrorKind::format, "{}: line {}, column {}: {}", file.label(), e.source().begin.line, e.source().begin.column,
         e.description());
  }
}

std::string write_toml(const TomlValue& table, const std::string& path) {
  std::string text;
  const auto is_section = [](const TomlValue& v) { return v.kind == TomlValue::Kind::table || is_list_of_tables(v); };
  for (const TomlValue& item : table.items)
    if (!is_section(item)) text += fmt::format("{} = {}\n", written_key(item.key), inline_text(item));
  for (const TomlValue& item : table.items) {
    if (!is_section(item)) continue;
    const std::string name = path.empty() ? written_key(item.key) : path + "." + written_key(item.key);
    if (item.kind == TomlValue::Kind::table) {
      text += fmt::format("\n[{}]\n{}", name, write_toml(item, name));
    } else {
      for (const TomlValue& one : item.items) text += fmt::format("\n[[{}]]\n{}", name, write_toml(one, name));
    }
  }
  return text;
}

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += fmt::format("\\{}", c);
    else if (c == '\n') out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out + "\"";
}

std::string toml_number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".enf") == std::string::npos) text += ".0";  // e: 1e-05; n, f: nan, inf
  return text;
}

TomlSection::TomlSection(const TomlValue& table, std::string file, std::string what)
    : table_(table), file_(std::move(file)), what_(std::move(what)) {
  if (table.kind != TomlValue::Kind::table) wrong("", "expected a table, got {}", table.described());
}

std::string TomlSection::where(std::string_view key) const {
  const TomlValue* v = key.empty() ? nullptr : table_.find(key);
  const int line = v ? v->line : table_.line;
  std::string text = file_;
  if (line > 0) text += fmt::format("{}line {}", text.empty() ? "" : ": ", line);
  if (!what_.empty()) text += fmt::format("{}{}", text.empty() ? "" : ": ", what_);
  return text;
}

void TomlSection::fail_at(std::string_view key, const std::string& message) const {
  std::string text = where(key);
  for (const std::string_view part : {key, std::string_view(message)})
    if (!part.empty()) text += fmt::format("{}{}", text.empty() ? "" : ": ", part);
  throw Error(ErrorKind::format, text);
}

const TomlValue* TomlSection::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return table_.find(key);
}

bool TomlSection::flag(std::string_view key, bool otherwise) {
  const TomlValue* v = find(key);
  if (!v) return otherwise;
  if (v->kind != TomlValue::Kind::boolean) wrong(key, "expected true or false, got {}", v->described());
  return v->boolean;
}

int64_t TomlSection::checked_integer(std::string_view key, const TomlValue& v, int64_t least, int64_t most) const {
  if (v.kind != TomlValue::Kind::integer || v.integer < least || v.integer > most)
    wrong(key, "expected an integer from {} to {}, got {}", least, most, v.described());
  return v.integer;
}

double TomlSection::checked_number(std::string_view key, const TomlValue& v, double least, double most) const {
  const double value = v.kind == TomlValue::Kind::integer ? static_cast<double>(v.integer) : v.number;
  const bool number = v.kind == TomlValue::Kind::integer || v.kind == TomlValue::Kind::number;
  if (!number || !(value >= least && value <= most)) {
    if (most >= 1e300) wrong(key, "expected a number from {:g} on, got {}", least, v.described());
    wrong(key, "expected a number from {:g} to {:g}, got {}", least, most, v.described());
  }
  return value;
}

int64_t TomlSection::integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  const TomlValue* v = find(key);
  return v ? checked_integer(key, *v, least, most) : otherwise;
}

double TomlSection::number(std::string_view key, double otherwise, double least, double most) {
  const TomlValue* v = find(key);
  return v ? checked_number(key, *v, least, most) : otherwise;
}

std::string TomlSection::text(std::string_view key, std::string otherwise) {
  const TomlValue* v = find(key);
  if (!v) return otherwise;
  if (v->kind != TomlValue::Kind::text) wrong(key, "expected a text in quotes, got {}", v->described());
  return v->text;
}

std::string TomlSection::choice(std::string_view key, std::string otherwise, const std::vector<std::string>& choices) {
  std::string value = text(key, std::move(otherwise));
  if (has(key) && std::find(choices.begin(), choices.end(), value) == choices.end())
    wrong(key, "expected {}, got {}{}", fmt::join(choices, ", "), table_.find(key)->described(),
          did_you_mean(value, choices));
  return value;
}

Ints TomlSection::integers(std::string_view key, int64_t least, int64_t most) {
  const TomlValue* v = find(key);
  Ints result;
  if (!v) return result;
  if (v->kind != TomlValue::Kind::list) return checked_integer(key, *v, least, most);
  for (const TomlValue& item : v->items) result.push_back(checked_integer(key, item, least, most));
  if (result.empty()) wrong(key, "an empty list");
  return result;
}

std::vector<double> TomlSection::numbers(std::string_view key, double least, double most) {
  const TomlValue* v = find(key);
  std::vector<double> result;
  if (!v) return result;
  if (v->kind != TomlValue::Kind::list) return {checked_number(key, *v, least, most)};
  for (const TomlValue& item : v->items) result.push_back(checked_number(key, item, least, most));
  return result;
}

std::vector<std::string> TomlSection::texts(std::string_view key) {
  const TomlValue* v = find(key);
  std::vector<std::string> result;
  if (!v) return result;
  if (v->kind == TomlValue::Kind::text) return {v->text};
  if (v->kind != TomlValue::Kind::list) wrong(key, "expected a text or a list of texts, got {}", v->described());
  for (const TomlValue& item : v->items) {
    if (item.kind != TomlValue::Kind::text) wrong(key, "expected texts in quotes, got {}", item.described());
    result.push_back(item.text);
  }
  return result;
}

void TomlSection::finish() const {
  for (const TomlValue& item : table_.items)
    if (std::find(known_.begin(), known_.end(), item.key) == known_.end())
      fail(ErrorKind::format, "{}: unknown key {}; known: {}{}", where(item.key), toml_text(item.key),
           fmt::join(known_, ", "), did_you_mean(item.key, known_));
}

}  // namespace fovea
