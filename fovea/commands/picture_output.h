// Checks before long work for a picture that will be written.
#pragma once

#include <filesystem>

namespace fovea {

// Throws WriteError when a picture cannot be written there (no such folder, a folder of that name), and Error{usage}
// for an ending that is not one of a picture.
void require_picture_output(const std::filesystem::path& path);

}  // namespace fovea
