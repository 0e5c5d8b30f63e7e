#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op range;
}

// start, start + delta, … up to but without limit: a vector of max(0, ceil((limit - start) / delta)) elements. All
// three are numbers of one type, known at build time. Throws Error{usage} when delta is 0. Source: ONNX Range-11.
Value range(Graph& graph, Value start, Value limit, Value delta);

}  // namespace fovea
