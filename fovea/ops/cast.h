#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct CastAttributes {
  DType to = DType::f32;
  FOVEA_FIELDS(CastAttributes, to)
};

namespace ops {
extern const Op cast;
}

// x, any shape, converted to `to`; x itself where it already is of that type. Float → integer truncates and saturates,
// → bool is "not zero". The gradient is converted back; it is not given where either side is not floating point.
// Source: ONNX Cast-13.
Value cast(Graph& graph, Value x, DType to);

}  // namespace fovea
