// Where measured choices of implementations are remembered.
#pragma once

#include <filesystem>

namespace fovea {

// tuning.txt in cache_folder(); empty when there is none (remember nothing on disk). One line an entry: the winner, a
// tab, the key.
std::filesystem::path tuning_file();

}  // namespace fovea
