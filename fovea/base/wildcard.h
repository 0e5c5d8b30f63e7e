// Patterns of names, as people write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// Whether a whole name fits a pattern in which * stands for any text, also none, and ? for one character.
bool fits(std::string_view pattern, std::string_view name);
// Whether it fits one of them.
bool fits_any(const std::vector<std::string>& patterns, std::string_view name);

}  // namespace fovea
