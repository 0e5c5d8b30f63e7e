#include "fovea/model/labels.h"

#include <algorithm>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/base/resource.h"

namespace fovea {

namespace {

// "n01440764 tench" → "tench".
std::string_view without_synset(std::string_view line) {
  if (line.size() < 11 || line[0] != 'n' || line[9] != ' ') return line;
  const bool digits = std::all_of(line.begin() + 1, line.begin() + 9, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? line.substr(10) : line;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.emplace_back(without_synset(line));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

const std::vector<std::string>& imagenet_classes() {
  static const std::vector<std::string> classes = split_lines(resource("model/imagenet_classes.txt"));
  return classes;
}

const std::vector<std::string>& cifar10_classes() {
  static const std::vector<std::string> classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                   "dog",      "frog",       "horse", "ship", "truck"};
  return classes;
}

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  if (path == "imagenet") return imagenet_classes();
  if (path == "cifar10") return cifar10_classes();
  const Bytes bytes = Bytes::map(path);
  require(bytes.view().find('\0') == std::string_view::npos, ErrorKind::format, "{}: not a text file of class names",
          path.string());
  auto lines = split_lines(bytes.view());
  require(!lines.empty(), ErrorKind::format, "{}: holds no class names", path.string());
  require(lines.size() <= 1'000'000, ErrorKind::format, "{}: more than a million class names", path.string());
  return lines;
}

std::string class_name(const std::vector<std::string>& classes, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(classes.size())) return fmt::format("class {}", index);
  const std::string& full = classes[static_cast<size_t>(index)];
  return full.substr(0, full.find(','));
}

}  // namespace fovea
