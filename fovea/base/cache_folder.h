// Where fovea keeps what it can measure or download again.
#pragma once

#include <filesystem>

namespace fovea {

// $FOVEA_CACHE, else $XDG_CACHE_HOME/fovea, else ~/.cache/fovea; empty when FOVEA_CACHE is set to nothing (keep nothing
// on disk) or there is no home. Nothing is made.
std::filesystem::path cache_folder();

// $XDG_CACHE_HOME, else ~/.cache; empty when there is no home. The specification says that a relative path is to be
// ignored: https://specifications.freedesktop.org/basedir-spec/.
std::filesystem::path user_cache_folder();

}  // namespace fovea
