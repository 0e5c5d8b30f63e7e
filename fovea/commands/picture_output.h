// Where a command puts its sheet.
#pragma once

#include <string>
#include <vector>

namespace fovea {

// Throws before long work is done for it: WriteError when `path` is a folder or lies in one that is not there,
// Error{usage} for an ending that pictures are not written with. An empty path is none. `example` is a name to propose.
void require_writable_picture(const std::string& path, const std::string& example);

// "3,7,12-15" → numbers, in order, each once. Throws Error{usage} for anything else.
std::vector<int64_t> number_list(const std::string& text, const std::string& what);

// "a,b" and "c" → a, b, c; blanks around names are dropped, empty ones left out.
std::vector<std::string> split_names(const std::vector<std::string>& arguments);

}  // namespace fovea
