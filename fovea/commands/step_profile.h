// Where the time of one step of a descent goes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "fovea/compile/program.h"

namespace fovea {

// The dearest steps of a program that has run, `shown` of them, by their median time over `runs` runs, and what the
// rest takes.
std::string step_profile(Program& program, int runs = 5, size_t shown = 16);

// {"seconds", "arena", "weights", "states"}: the median time of a step of the descent, and the memory that it holds.
nlohmann::ordered_json step_json(const Program& program, double seconds);

}  // namespace fovea
