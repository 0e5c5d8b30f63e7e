// Where measured choices of implementations are remembered.
#pragma once

#include <filesystem>

namespace fovea {

// $FOVEA_CACHE/tuning.txt, else $XDG_CACHE_HOME/fovea/tuning.txt, else ~/.cache/fovea/tuning.txt; empty when
// FOVEA_CACHE is set to nothing (remember nothing on disk). One line an entry: the winner, a tab, the key.
std::filesystem::path tuning_file();

}  // namespace fovea
