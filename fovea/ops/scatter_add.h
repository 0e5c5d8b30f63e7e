#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ScatterAddAttributes {
  int64_t axis = 0;  // not negative
  int64_t size = 0;  // of the result along the axis
  FOVEA_FIELDS(ScatterAddAttributes, axis, size)
};

namespace ops {
extern const Op scatter_add;
}

// The adjoint of gather: zeros with `size` positions on the axis, to which d's slices are added at the indices;
// repeated ones add up. d: outer + shape of indices + inner, indices i32 or i64 in [-size, size) → outer + size +
// inner, where `axis` is outer's rank.
Value scatter_add(Graph& graph, Value d, Value indices, ScatterAddAttributes attributes);

}  // namespace fovea
