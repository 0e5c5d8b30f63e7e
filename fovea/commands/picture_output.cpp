#include "fovea/commands/picture_output.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fovea/commands/command.h"

namespace fovea {

namespace fs = std::filesystem;

void require_picture_output(const fs::path& path) {
  require(!path.empty(), ErrorKind::usage, "an empty name was given, expected a picture to write, such as sheet.png");
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  writing([&] {
    require(!fs::is_directory(path), ErrorKind::io,
            "{}: is a folder, expected the name of a picture to write, such as {}", path.string(),
            (path / "sheet.png").string());
    require(fs::is_directory(folder), ErrorKind::io, "{}: cannot be written: there is no folder {}", path.string(),
            folder.string());
  });
  static const std::vector<std::string> kEndings = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  fs::path better = path;
  require(std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end(), ErrorKind::usage,
          "{}: pictures are written as .png, .jpg, .ppm or .pgm; try {}", path.string(),
          better.replace_extension(".png").string());
}

}  // namespace fovea
