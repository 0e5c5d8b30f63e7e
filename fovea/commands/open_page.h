// Shows a page in the user's browser.
#pragma once

#include <string>

#include "fovea/base/context.h"

namespace fovea {

// Hands a file to the desktop's own program for it (xdg-open), without waiting for it; where there is no desktop or no
// such program, a note says where the page is instead.
void open_page(const Context& context, const std::string& path);

}  // namespace fovea
