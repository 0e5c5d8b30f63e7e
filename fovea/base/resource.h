// Files that the program carries inside itself (style sheets, scripts, label lists); see cmake/resources.cmake.
#pragma once

#include <string_view>

namespace fovea {

// The bytes of fovea/<floor>/resources/<file>, named "<floor>/<file>". Throws Error{internal} when there is none.
std::string_view resource(std::string_view name);

}  // namespace fovea
