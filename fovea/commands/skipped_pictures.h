// Pictures that could not be read, named and counted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// A line that counts them, in yellow, and why, a line each: the first five of `messages` unless `all`, then how many
// more there are and that `how_to_see` shows those. "" when there are none.
std::string skipped_text(const std::vector<std::string>& messages, bool all, std::string_view how_to_see = "--all");

}  // namespace fovea
