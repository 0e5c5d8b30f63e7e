#include "fovea/commands/picture_file.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fovea/image/codec.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

void require_picture_output(const std::string& path) {
  if (path.empty()) return;
  std::error_code error;
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  writing([&] {
    require(!fs::is_directory(path, error), ErrorKind::io,
            "{}: is a folder, expected the name of a picture to write, such as {}", path,
            (fs::path(path) / "sheet.png").string());
    require(fs::is_directory(folder, error), ErrorKind::io, "{}: cannot be written: there is no folder {}", path,
            folder.string());
    const bool writable = ::access(folder.c_str(), W_OK) == 0;
    const int why = errno;
    require(writable, ErrorKind::io, "{}: cannot be written: {}", path, std::strerror(why));
  });
  static const std::vector<std::string> kEndings = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"};
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  require(std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end(), ErrorKind::usage,
          "{}: pictures are written as .png, .jpg, .tif, .ppm or .pgm; try {}", path,
          fs::path(path).replace_extension(".png").string());
}

void write_picture(Report& report, nlohmann::ordered_json& json, const std::string& path, const Image& picture,
                   const std::string& caption) {
  if (path.empty()) return;
  writing([&] { write_image(path, picture, {{"caption", caption}}); });
  report.files.push_back(path);
  report.text += fmt::format("wrote {} ({} x {} pixels)\n", coloured(printable(path), Ink::cyan), picture.width(),
                             picture.height());
  json["output"] = printable(path);
}

}  // namespace fovea
