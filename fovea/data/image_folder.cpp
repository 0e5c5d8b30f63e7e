#include "fovea/data/image_folder.h"

#include <algorithm>
#include <array>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/data/label_list.h"
#include "fovea/image/codec.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

std::vector<fs::path> pictures_below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code unknown;
    if (is_picture_name(it->path()) && it->is_regular_file(unknown)) found.push_back(it->path());
  }
  require(!error, ErrorKind::io, "{}: cannot read this folder: {}", folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

bool is_picture_name(const fs::path& path) {
  static constexpr std::array<std::string_view, 9> kEndings = {".jpg",  ".jpeg", ".png", ".webp", ".tif",
                                                               ".tiff", ".ppm",  ".pgm", ".pnm"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

const ImageFiles::Entry& ImageFiles::entry(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
  return entries_[static_cast<size_t>(index)];
}

Sample ImageFiles::get(int64_t index) const {
  const Entry& e = entry(index);
  return {read_image(e.file), e.label};
}

std::string ImageFiles::name(int64_t index) const { return entry(index).file.string(); }

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unknown;
    const std::string name = it->path().filename().string();
    if (it->is_directory(unknown) && !name.starts_with(".") && !name.starts_with("__")) found.push_back(it->path());
  }
  require(!error, ErrorKind::io, "{}: cannot read this folder: {}", folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

ImageFiles class_folders(const fs::path& folder, std::string description, std::vector<std::string> known) {
  const std::vector<fs::path> folders = folders_in(folder);
  if (known.empty())
    for (const fs::path& sub : folders) known.push_back(sub.filename().string());
  std::vector<ImageFiles::Entry> entries;
  for (const fs::path& sub : folders) {
    const std::string name = sub.filename().string();
    const auto found = std::find(known.begin(), known.end(), name);
    std::vector<fs::path> pictures = pictures_below(sub);
    require(found != known.end() || pictures.empty(), ErrorKind::format,
            "{}: holds pictures of class \"{}\", which the training set does not have{}", folder.string(), name,
            did_you_mean(name, known));
    for (fs::path& picture : pictures) entries.push_back({std::move(picture), found - known.begin()});
  }
  require(!entries.empty(), ErrorKind::format,
          "{}: its {} sub-folders hold no pictures (.jpg, .png, .webp, .tif, .ppm, .pgm)", folder.string(),
          folders.size());
  return {std::move(entries), std::move(known), std::move(description)};
}

ImageFiles listed_files(const fs::path& list, const std::vector<fs::path>& roots, bool missing_allowed,
                        std::string description) {
  const fs::path beside = list.has_parent_path() ? list.parent_path() : fs::path(".");
  std::vector<fs::path> places = {beside, beside / "images"};
  places.insert(places.end(), roots.begin(), roots.end());
  std::vector<ImageFiles::Entry> entries;
  for (const LabelledFile& line : parse_label_list(Bytes::map(list))) {
    fs::path file;
    std::error_code error;
    for (const fs::path& place : places)
      if (file.empty() && fs::is_regular_file(place / line.file, error)) file = place / line.file;
    require(!file.empty() || missing_allowed, ErrorKind::io, "{} line {}: there is no file {} (nor images/{})",
            list.string(), line.line, (beside / line.file).string(), line.file);
    entries.push_back({file.empty() ? beside / line.file : file, line.label});
  }
  return {std::move(entries), {}, std::move(description)};
}

}  // namespace fovea
