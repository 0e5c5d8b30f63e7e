#pragma once

#include <span>
#include <vector>

#include "fovea/graph/op.h"

namespace fovea {

struct AllReduceAttributes {
  std::string kind = "sum";  // sum, mean
  int64_t ranks = 1;         // how many take part; the group that the program is compiled for must have as many
  FOVEA_FIELDS(AllReduceAttributes, kind, ranks)
};

namespace ops {
extern const Op all_reduce;
}

// The sum, or mean, of each x over all ranks of the group (CompileOptions::group); x of any shapes, all f32 or all f64,
// of the same types on every rank. The values of one node travel together: a bucket. Returns one value an input. Throws
// Error{usage} for an unknown kind or ranks below 1, Error{type} for other or mixed element types.
std::vector<Value> all_reduce(Graph& graph, std::span<const Value> x, AllReduceAttributes attributes);
Value all_reduce(Graph& graph, Value x, AllReduceAttributes attributes);

}  // namespace fovea
