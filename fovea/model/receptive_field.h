// Which part of the input each unit of a network can see.
#pragma once

#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// One spatial axis: unit i of the value sees the input positions [offset + i * stride, offset + i * stride + size);
// positions outside of the input are padding. A unit that sees the whole axis, whatever its index, has whole = true,
// size = the input's size, stride 0 and offset 0.
struct ReceptiveField {
  double size = 1, stride = 1, offset = 0;
  bool whole = false;
  bool operator==(const ReceptiveField&) const = default;
};

// For every node, one field a spatial axis of `input` [N,C,spatial]; empty for nodes that do not depend on it. Where
// branches meet, the smallest interval that holds both. Pooling P x P after a K x K convolution at stride 1 gives P + K
// - 1. An operator that is not known to be local counts as seeing everything its inputs see.
std::vector<std::vector<ReceptiveField>> receptive_fields(const Graph& graph, Value input);

// The pixels [begin, end) of one axis that unit `index` sees, cut off at the input's `length`.
struct Interval {
  int64_t begin = 0, end = 0;
};
Interval seen_by(const ReceptiveField& field, int64_t index, int64_t length);

}  // namespace fovea
