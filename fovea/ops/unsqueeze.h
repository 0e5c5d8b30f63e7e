#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct UnsqueezeAttributes {
  Ints axes;
  FOVEA_FIELDS(UnsqueezeAttributes, axes)
};

namespace ops {
extern const Op unsqueeze;
}

// x with axes of size 1 added; `axes` are positions in the result, in any order, negative ones from its end. Throws
// Error{shape} for repeated axes. Source: ONNX Unsqueeze-13.
Value unsqueeze(Graph& graph, Value x, Ints axes);

}  // namespace fovea
