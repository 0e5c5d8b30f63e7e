#include "fovea/data/loose_pictures.h"

#include <algorithm>
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/data/image_folder.h"
#include "fovea/data/open_data.h"

namespace fs = std::filesystem;

namespace fovea {

std::unique_ptr<Dataset> open_pictures(const std::string& name, const DatasetOptions& options) {
  std::error_code error;
  if (fs::is_regular_file(name, error) && is_picture_name(name))
    return std::make_unique<ImageFiles>(std::vector<ImageFiles::Entry>{{name, 0}}, std::vector<std::string>{},
                                        "one picture");
  if (!fs::is_directory(name, error)) return open_data(name, options);
  std::vector<ImageFiles::Entry> entries;
  bool empty = true, list = false;
  for (fs::directory_iterator it(name, error), end; !error && it != end; it.increment(error)) {
    empty = false;
    std::error_code unknown;
    if (!it->is_regular_file(unknown)) continue;
    const std::string file = it->path().filename().string();
    list = list || file == "labels.csv" || file == "labels.txt";
    if (is_picture_name(it->path())) entries.push_back({it->path(), 0});
  }
  require(!error, ErrorKind::io, "{}: cannot read this folder: {}", name, error.message());
  require(!empty, ErrorKind::usage, "{}: the folder is empty; expected pictures (.jpg, .png, .webp, .tif, .ppm, .pgm)",
          name);
  if (entries.empty() || list) return open_data(name, options);
  std::sort(entries.begin(), entries.end(),
            [](const ImageFiles::Entry& a, const ImageFiles::Entry& b) { return a.file < b.file; });
  return std::make_unique<ImageFiles>(std::move(entries), std::vector<std::string>{}, "pictures");
}

}  // namespace fovea
