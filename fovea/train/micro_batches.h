// A batch in parts: gradients are added up, and the update waits for the last one.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/graph/graph.h"

namespace fovea {

// For each parameter w with the gradient of a part's mean loss, already divided by the number of parts: the sum over
// the parts so far, carried in an input "gradient of <w>", which appends to `carry`. At the first part the old sum
// counts for nothing, whatever it holds.
std::vector<Value> added_up(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients,
                            std::vector<Carry>& carry);

// The same carries, done after the last part only; before, states stay as they are, to the bit, and what only the
// update needs is not computed.
std::vector<Carry> after_last_part(Graph& graph, std::span<const Carry> carries);

// What part 0 … parts − 1 of an update is fed.
std::map<std::string, Tensor> part_feeds(int64_t part, int64_t parts);

}  // namespace fovea
