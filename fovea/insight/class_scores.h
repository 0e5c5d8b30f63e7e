// Which number of a network speaks for a class, and which class a person means.
#pragma once

#include <cstdint>
#include <string_view>

#include "fovea/model/model.h"

namespace fovea {

// The scores of the classes before a final softmax (or log-softmax), as many as `scores` has: probabilities saturate
// and mix the classes, scores do not. The value itself where there is no softmax.
Value scores_before_softmax(const Graph& graph, Value scores);

// How many classes the network scores. Throws Error{usage} when it has no such output.
int64_t class_count(const Model& model);

// A class by its number, from 0, or by name: the whole name, one of its synonyms (between commas), or words of it, in
// upper or lower case. Throws Error{usage}: a number that is too large; a name that fits several classes, listing them
// with their numbers; a name that fits none, with the nearest; any name where the network's classes have none.
int64_t find_class(const Model& model, std::string_view name);

}  // namespace fovea
