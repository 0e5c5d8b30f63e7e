#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op pow;
}

// base ^ exponent with broadcasting; numeric types that may differ, the result has the base's. The gradient w.r.t. the
// exponent is 0 where the base is not positive. Source: ONNX Pow-15.
Value pow(Graph& graph, Value base, Value exponent);
// The same with a number.
Value pow(Graph& graph, Value base, double exponent);

}  // namespace fovea
