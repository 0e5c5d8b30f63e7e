#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op prelu;
}

// slope · x below 0, x elsewhere. `slope` broadcasts to x's shape (from the right: a slope per channel of N,C,H,W is
// [C,1,1]); floating point, both the same. Throws Error{shape} where slope is larger than x. Source: ONNX PRelu-16.
Value prelu(Graph& graph, Value x, Value slope);

}  // namespace fovea
