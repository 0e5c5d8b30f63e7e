#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ReverseAttributes {
  Ints axes;
  FOVEA_FIELDS(ReverseAttributes, axes)
};

namespace ops {
extern const Op reverse;
}

// x backwards along the axes named (negative: from the end). Source: numpy.flip.
Value reverse(Graph& graph, Value x, Ints axes);

}  // namespace fovea
