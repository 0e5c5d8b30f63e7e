#include "fovea/commands/picture_output.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "fovea/commands/command.h"

namespace fs = std::filesystem;

namespace fovea {

void require_writable_picture(const std::string& path, const std::string& example) {
  if (path.empty()) return;
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  writing([&] {
    require(!fs::is_directory(path), ErrorKind::io,
            "{}: is a folder, expected the name of a picture to write, such as {}", path,
            (fs::path(path) / example).string());
    require(fs::is_directory(folder), ErrorKind::io, "{}: cannot be written: there is no folder {}", path,
            folder.string());
  });
  static const std::vector<std::string> kEndings = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm"};
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  require(std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end(), ErrorKind::usage,
          "{}: pictures are written as .png, .jpg, .ppm or .pgm; try {}", path,
          fs::path(path).replace_extension(".png").string());
}

std::vector<int64_t> number_list(const std::string& text, const std::string& what) {
  constexpr int64_t kMost = 1 << 20;
  std::vector<int64_t> result;
  std::set<int64_t> seen;
  const auto number = [&](std::string_view part) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    require(!part.empty() && error == std::errc() && end == part.data() + part.size() && value >= 0 && value < kMost,
            ErrorKind::usage, "{} \"{}\": expected numbers such as 3,7,12-15, got \"{}\"", what, text, part);
    return value;
  };
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t dash = part.find('-');
    const int64_t first = number(part.substr(0, dash)),
                  last = dash == part.npos ? first : number(part.substr(dash + 1));
    require(first <= last, ErrorKind::usage, "{} \"{}\": {} is greater than {}", what, text, first, last);
    for (int64_t value = first; value <= last; ++value)
      if (seen.insert(value).second) result.push_back(value);
  }
  return result;
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
