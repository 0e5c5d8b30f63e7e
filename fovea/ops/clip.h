#pragma once

#include <limits>

#include "fovea/graph/op.h"

namespace fovea {

struct ClipAttributes {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  FOVEA_FIELDS(ClipAttributes, min, max)
};

namespace ops {
extern const Op clip;
}

// min(max, max(min, x)), any shape and numeric type. The gradient passes where x is within the bounds, ends included.
Value clip(Graph& graph, Value x, ClipAttributes attributes);
// The same with bounds computed in the graph: one element each, of x's type, or not given. The clipped elements'
// gradient goes to the bound that clipped them. Source: ONNX Clip-13.
Value clip(Graph& graph, Value x, Value min, Value max);

}  // namespace fovea
