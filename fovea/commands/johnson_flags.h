// The flags of jcjohnson/neural-style in fovea's words.
#pragma once

#include <string>
#include <vector>

#include "fovea/commands/command.h"

namespace fovea {

// Whether these arguments use the tool's flags: -style_image and the like, with one dash or two.
bool has_johnson_flags(const std::vector<std::string>& arguments);

// The arguments with all of the tool's flags replaced; what is not one of them stays. The preset is johnson unless one
// is given. Throws Error{usage}: a flag of that kind that the tool does not have (with the nearest), a value that is
// missing, or one that fovea cannot follow.
OwnArguments without_johnson_flags(const std::vector<std::string>& arguments);

}  // namespace fovea
