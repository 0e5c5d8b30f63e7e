#include "fovea/data/label_list.h"

#include <algorithm>
#include <charconv>

#include "fovea/base/error.h"

namespace fovea {

namespace {

std::string_view without_ends(std::string_view text, std::string_view ends) {
  const size_t first = text.find_first_not_of(ends);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(ends) - first + 1);
}

// The file's name and what stands after it; the name alone when there is nothing.
struct Cut {
  std::string file;
  std::string_view rest;
};
Cut cut_line(std::string_view line) {
  if (line.front() == '"') {
    std::string name;
    size_t at = 1;
    for (; at < line.size(); ++at) {
      if (line[at] == '"') {
        if (at + 1 >= line.size() || line[at + 1] != '"') break;
        ++at;  // two quotes stand for one
      }
      name += line[at];
    }
    return {name, at + 1 < line.size() ? without_ends(line.substr(at + 1), ", \t") : std::string_view()};
  }
  const size_t comma = line.find(',');
  const size_t cut = comma != line.npos ? comma : line.find_last_of(" \t");
  if (cut == line.npos) return {std::string(line), {}};
  return {std::string(without_ends(line.substr(0, cut), " \t")), without_ends(line.substr(cut + 1), " \t")};
}

}  // namespace

std::vector<LabelledFile> parse_label_list(const Bytes& file) {
  require(is_text(file), ErrorKind::format, "{}: not a text file of lines \"file,class\"", file.label());
  std::string_view text = file.view();
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<LabelledFile> result;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = without_ends(text.substr(0, end), " \t\r");
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    const Cut cut = cut_line(line);
    const std::string_view value = without_ends(cut.rest.substr(0, cut.rest.find(',')), " \t\"");
    int64_t label = -1;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), label);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
    if (number == 1 && !whole) continue;
    require(whole && label >= 0 && !cut.file.empty(), ErrorKind::format,
            "{} line {}: expected \"file,class\" or \"file class\" with a class number", file.label(), number);
    result.push_back({cut.file, label, number});
  }
  require(!result.empty(), ErrorKind::format, "{}: holds no lines \"file,class\"", file.label());
  return result;
}

bool is_text(const Bytes& file) {
  constexpr size_t kLooked = 65536;
  const std::string_view head = file.view().substr(0, kLooked);
  int following = 0;  // bytes that the character begun still needs
  for (const char c : head) {
    const auto u = static_cast<unsigned char>(c);
    if (following > 0) {
      if ((u & 0xC0) != 0x80) return false;
      --following;
    } else if (u >= 0x80) {
      following = u >= 0xC2 && u < 0xE0 ? 1 : (u & 0xF0) == 0xE0 ? 2 : u >= 0xF0 && u < 0xF5 ? 3 : 0;
      if (following == 0) return false;
    } else if (u == 127 || (u < 32 && c != '\t' && c != '\n' && c != '\r')) {
      return false;
    }
  }
  return following == 0 || file.size() > head.size();
}

}  // namespace fovea
