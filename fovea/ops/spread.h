#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SpreadAttributes {
  Ints starts, steps, sizes;  // one number an axis: where the first element goes, how far apart they are (not 0; below
                              // 0 backwards), and the size of the result
  FOVEA_FIELDS(SpreadAttributes, starts, steps, sizes)
};

namespace ops {
extern const Op spread;
}

// Zeros of `sizes` with y[start + p · step] = x[p] along every axis: the adjoint of slice. Any type. Throws
// Error{shape} where an element would fall outside or the numbers do not match the rank.
Value spread(Graph& graph, Value x, SpreadAttributes attributes);

}  // namespace fovea
