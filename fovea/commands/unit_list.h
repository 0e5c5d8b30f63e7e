// Lists as a person types them: units of a layer, names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

// "7", "0-63", "0-15,40,60-63", "all": numbers in [0, count), in the order given, each once. `what` names them in
// messages: "units of layer conv1". Throws Error{usage} for other text, a number that is not there, or one that is
// given twice.
std::vector<int64_t> unit_list(const std::string& text, int64_t count, const std::string& what);

// 0 to min(count, most) − 1: what is shown where nothing is said.
std::vector<int64_t> first_units(int64_t count, int64_t most);

// "0-15,40": the inverse of unit_list.
std::string unit_text(const std::vector<int64_t>& units);

// "a,b" and "c" → a, b, c; blanks around names are dropped, empty ones left out.
std::vector<std::string> split_names(const std::vector<std::string>& arguments);

}  // namespace fovea
