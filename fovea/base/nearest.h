// "Did you mean …?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// The nearest of some names by edit distance, or "" when none is near: for "did you mean".
std::string nearest(std::string_view name, const std::vector<std::string>& names);
// ", did you mean X?" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& names);

}  // namespace fovea
