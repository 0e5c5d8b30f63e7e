// What a plan decides, as text: the implementation and the layouts of every node, and where carried values live.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "fovea/backend/backend.h"

namespace fovea {

struct StepChoice {
  std::string implementation, layouts;  // "nChw16c, ABcd16b16a → nChw16c"
};

struct Choices {
  std::string backend;                        // its fingerprint: version, instruction set, threads
  std::map<std::string, std::string> states;  // layouts of carried values that are not plain, by name
  std::map<std::string, StepChoice> steps;    // by the node's name
};

// Layouts of a lowering, with those that compile is asked for on the left.
std::string layouts_text(const Lowering& lowering);

// One line a fact: "backend", "state" or "step", tabs between the parts, names last. Names may hold anything.
std::string to_text(const Choices& choices);
// The inverse. Throws Error{usage} naming the line.
Choices parse_choices(std::string_view text);

}  // namespace fovea
