// record = field *(separator field), field = quoted / plain, quoted = '"' *(any but '"', or '""') '"'. Source: RFC
// 4180, "Common format and MIME type for comma-separated values (CSV) files", section 2, with other separators and line
// ends.
#include "fovea/data/text_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/data/image_folder.h"
#include "fovea/data/label_list.h"

namespace fovea {

namespace {

constexpr size_t kMostColumns = size_t{1} << 20;
constexpr int64_t kMostClasses = 65536;

// The records of a text one after the other.
class Records {
 public:
  Records(std::string_view text, char separator) : text_(text), separator_(separator) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }
  // The fields of the next record that is not blank, valid until the next call; false at the end.
  bool next(std::vector<std::string_view>& fields);
  int64_t line() const { return line_; }  // of the record's first character, from 1 on
  const std::string& problem() const { return problem_; }

 private:
  std::string_view plain();
  std::string_view quoted();

  std::string_view text_;
  char separator_;
  size_t at_ = 0;
  int64_t line_ = 0, lines_ = 1;
  std::vector<std::unique_ptr<std::string>> unescaped_;
  std::string problem_;
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view Records::plain() {
  const size_t begin = at_;
  while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') ++at_;
  return trimmed(text_.substr(begin, at_ - begin));
}

std::string_view Records::quoted() {
  const size_t begin = ++at_;
  bool doubled = false;
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == '\n') ++lines_;
    if (text_[at_] != '"') continue;
    if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
    doubled = true;
    ++at_;
  }
  std::string_view field = text_.substr(begin, at_ - begin);
  if (at_ >= text_.size()) problem_ = "a quoted field is not closed";
  else ++at_;
  if (!plain().empty()) problem_ = "text stands behind a quoted field";
  if (!doubled) return field;
  auto one = std::make_unique<std::string>();
  for (size_t i = 0; i < field.size(); ++i) {
    *one += field[i];
    if (field[i] == '"') ++i;
  }
  unescaped_.push_back(std::move(one));
  return *unescaped_.back();
}

bool Records::next(std::vector<std::string_view>& fields) {
  while (at_ < text_.size()) {
    fields.clear();
    unescaped_.clear();
    line_ = lines_;
    for (;;) {
      while (at_ < text_.size() && text_[at_] == ' ') ++at_;
      fields.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
      if (fields.size() > kMostColumns) problem_ = fmt::format("more than {} columns", kMostColumns);
      if (!problem_.empty()) return true;
      if (at_ >= text_.size() || text_[at_] == '\n') break;
      ++at_;  // the separator
    }
    ++at_, ++lines_;
    if (fields.size() > 1 || !fields[0].empty()) return true;
  }
  return false;
}

char separator_of(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  char best = ',';
  int64_t most = 0;
  for (const char candidate : {',', ';', '\t'}) {
    bool inside = false;
    int64_t count = 0;
    for (const char c : line) {
      inside ^= c == '"';
      count += !inside && c == candidate;
    }
    if (count > most) best = candidate, most = count;
  }
  return best;
}

std::optional<double> number_in(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  if (std::abs(value) > 3.4028234663852886e38) return std::nullopt;
  return value;
}
std::optional<int64_t> whole_in(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// The first two records, as they tell what the columns are.
struct Head {
  std::vector<std::string> first, second;
};
Head head_of(std::string_view text, char separator) {
  Head head;
  Records records(text, separator);
  std::vector<std::string_view> fields;
  for (std::vector<std::string>* row : {&head.first, &head.second})
    if (records.next(fields)) row->assign(fields.begin(), fields.end());
  return head;
}

// What each column is.
struct Layout {
  bool header = false;
  std::vector<std::string> names;  // of all columns
  std::vector<size_t> features;    // columns of numbers
  std::optional<size_t> label;     // the column of classes
  bool label_is_guessed = false;   // nothing but its place speaks for it
};

bool has_header(const Head& head, const std::string& asked) {
  if (asked != "auto") return asked == "yes";
  for (size_t i = 0; i < std::min(head.first.size(), head.second.size()); ++i)
    if (!number_in(head.first[i]) && number_in(head.second[i])) return true;
  return false;
}

std::optional<size_t> label_column(const Layout& layout, const std::string& asked, const std::string& file) {
  if (asked == "none") return std::nullopt;
  const std::vector<std::string>& names = layout.names;
  if (asked.empty()) {
    for (const char* usual : {"label", "class", "species", "target"})
      for (size_t i = 0; layout.header && i < names.size(); ++i)
        if (lower(names[i]) == usual) return i;
    return names.size() - 1;
  }
  if (const auto found = std::find(names.begin(), names.end(), asked); found != names.end())
    return static_cast<size_t>(found - names.begin());
  if (const auto number = whole_in(asked); number && *number >= 1 && *number <= static_cast<int64_t>(names.size()))
    return static_cast<size_t>(*number - 1);
  fail(ErrorKind::usage, "{}: has no column \"{}\" for the labels{}; its {} columns: {}", file, asked,
       did_you_mean(asked, names), names.size(),
       fmt::join(names.begin(), names.begin() + static_cast<int64_t>(std::min<size_t>(names.size(), 12)), ", "));
}

Layout layout_of(const Head& head, const TextTableOptions& options, const std::string& file) {
  require(!head.first.empty(), ErrorKind::format, "{}: an empty table", file);
  require(options.header == "auto" || options.header == "yes" || options.header == "no", ErrorKind::usage,
          "header=\"{}\", expected yes, no or auto", options.header);
  Layout layout;
  layout.header = has_header(head, options.header);
  for (size_t i = 0; i < head.first.size(); ++i)
    layout.names.push_back(layout.header ? head.first[i] : fmt::format("column {}", i + 1));
  layout.label = label_column(layout, options.label, file);
  const bool named = layout.label && layout.header && layout.label != layout.names.size() - 1;
  layout.label_is_guessed = options.label.empty() && !named;
  for (size_t i = 0; i < layout.names.size(); ++i) {
    const std::string& name = layout.names[i];
    const bool numbers_rows = layout.header && (name.empty() || name == "rownames" || name == "Unnamed: 0");
    if (i != layout.label && !numbers_rows) layout.features.push_back(i);
  }
  require(!layout.features.empty(), ErrorKind::format, "{}: a table of {} columns, none of which holds numbers", file,
          layout.names.size());
  return layout;
}

// The number of each different text, and the texts by number.
struct Classes {
  std::vector<std::string> names;
  std::map<std::string, int64_t, std::less<>> index;
};
Classes classes_of(const std::vector<std::string>& different) {
  Classes classes;
  bool whole = true;
  int64_t least = INT64_MAX, most = 0;
  for (const std::string& text : different) {
    const std::optional<int64_t> value = whole_in(text);
    whole = whole && value && std::to_string(*value) == text;
    if (value) least = std::min(least, *value), most = std::max(most, *value);
  }
  classes.names = different;
  if (whole && least == 0 && most < kMostClasses) {
    classes.names.clear();
    for (int64_t i = 0; i <= most; ++i) classes.names.push_back(std::to_string(i));
  } else if (whole) {
    std::sort(classes.names.begin(), classes.names.end(),
              [](const std::string& a, const std::string& b) { return whole_in(a) < whole_in(b); });
  }
  for (size_t i = 0; i < classes.names.size(); ++i) classes.index[classes.names[i]] = static_cast<int64_t>(i);
  return classes;
}

// The rows while they are read.
struct Rows {
  std::vector<float> values;
  std::vector<int64_t> labels;  // the number of the text, in the order of appearance
  std::map<std::string, int64_t, std::less<>> seen;
};

void read_row(const std::vector<std::string_view>& fields, const Layout& layout, int64_t line, const std::string& file,
              Rows& rows) {
  require(fields.size() == layout.names.size(), ErrorKind::format, "{} line {}: {} fields, expected {} as in line 1",
          file, line, fields.size(), layout.names.size());
  for (const size_t column : layout.features) {
    const std::optional<double> value = number_in(fields[column]);
    require(value.has_value(), ErrorKind::format,
            "{} line {}: column {} ({}) is \"{}\", expected a number; say which column holds the classes with "
            "#label=NAME",
            file, line, column + 1, layout.names[column], fields[column].substr(0, 40));
    rows.values.push_back(static_cast<float>(*value));
  }
  if (!layout.label) {
    rows.labels.push_back(0);
    return;
  }
  const std::string_view text = fields[*layout.label];
  require(!text.empty(), ErrorKind::format, "{} line {}: column {} ({}) is empty, expected a class", file, line,
          *layout.label + 1, layout.names[*layout.label]);
  auto found = rows.seen.find(text);
  if (found == rows.seen.end()) {
    require(static_cast<int64_t>(rows.seen.size()) < kMostClasses, ErrorKind::format,
            "{} line {}: column {} holds more than {} different classes", file, line, *layout.label + 1, kMostClasses);
    found = rows.seen.emplace(text, static_cast<int64_t>(rows.seen.size())).first;
  }
  rows.labels.push_back(found->second);
}

Rows read_rows(std::string_view text, char separator, const Layout& layout, const std::string& file) {
  Rows rows;
  Records records(text, separator);
  std::vector<std::string_view> fields;
  for (bool first = true; records.next(fields); first = false) {
    require(records.problem().empty(), ErrorKind::format, "{} line {}: {}", file, records.line(), records.problem());
    if (!first || !layout.header) read_row(fields, layout, records.line(), file, rows);
  }
  require(!rows.labels.empty(), ErrorKind::format, "{}: a table without rows", file);
  return rows;
}

// A last column of measurements is no class.
void check_guess(const Rows& rows, const Layout& layout, const std::string& file) {
  if (!layout.label_is_guessed) return;
  for (const auto& entry : rows.seen)
    require(!number_in(entry.first) || whole_in(entry.first), ErrorKind::format,
            "{}: its last column ({}) holds numbers such as {}, which are no classes; say which column does with "
            "#label=NAME, or #label=none",
            file, layout.names.back(), entry.first);
}

}  // namespace

bool looks_like_table(const Bytes& text) {
  if (text.empty() || !is_text(text)) return false;
  const Head head = head_of(text.view(), separator_of(text.view()));
  if (head.first.size() < 2) return false;
  for (const auto* row : {&head.first, &head.second})
    for (const std::string& field : *row)
      if (is_picture_name(field)) return false;
  return true;
}

std::unique_ptr<TableSet> read_text_table(const Bytes& text, const TextTableOptions& options) {
  const std::string& file = text.label();
  require(is_text(text), ErrorKind::format, "{}: not a text file of a table", file);
  const char separator = separator_of(text.view());
  const Layout layout = layout_of(head_of(text.view(), separator), options, file);
  Rows rows = read_rows(text.view(), separator, layout, file);
  Classes classes;
  if (layout.label) {
    check_guess(rows, layout, file);
    std::vector<std::string> different;
    for (const auto& entry : rows.seen) different.push_back(entry.first);
    classes = classes_of(options.classes.empty() ? different : options.classes);
    if (!options.classes.empty()) classes.names = options.classes;
    std::vector<int64_t> number(rows.seen.size());
    for (const auto& entry : rows.seen) {
      const auto found = classes.index.find(entry.first);
      require(found != classes.index.end(), ErrorKind::format,
              "{}: has rows of class \"{}\", which the training set does not have; its classes: {}", file, entry.first,
              fmt::join(options.classes, ", "));
      number[static_cast<size_t>(entry.second)] = found->second;
    }
    for (int64_t& label : rows.labels) label = number[static_cast<size_t>(label)];
  } else {
    classes.names = {"unlabelled"};
  }
  std::vector<std::string> features;
  for (const size_t column : layout.features) features.push_back(layout.names[column]);
  const Shape shape{static_cast<int64_t>(rows.labels.size()), static_cast<int64_t>(layout.features.size())};
  return std::make_unique<TableSet>(Tensor::of(shape, rows.values), std::move(rows.labels), std::move(features),
                                    std::move(classes.names), options.description);
}

}  // namespace fovea
