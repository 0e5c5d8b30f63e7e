#include "fovea/base/cache_folder.h"

#include <cstdlib>

namespace fovea {

std::filesystem::path user_cache_folder() {
  if (const char* given = std::getenv("XDG_CACHE_HOME"); given && *given == '/') return given;
  if (const char* home = std::getenv("HOME"); home && *home) return std::filesystem::path(home) / ".cache";
  return {};
}

std::filesystem::path cache_folder() {
  if (const char* given = std::getenv("FOVEA_CACHE")) return given;
  const std::filesystem::path user = user_cache_folder();
  return user.empty() ? user : user / "fovea";
}

}  // namespace fovea
