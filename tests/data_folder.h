// Where the real data lies that some tests need; without it they skip, aloud.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace fovea {

inline std::filesystem::path data_folder() {
  const char* set = std::getenv("FOVEA_DATA");
  return set ? std::filesystem::path(set) : std::filesystem::path(FOVEA_SOURCE_DIR) / ".." / "shared" / "data";
}

}  // namespace fovea
