#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op slice;
}

// x[start : end : step] along the axes named (the first ones when not given); starts, ends, axes and steps are vectors
// of integers known at build time. Negative starts and ends count from the end, both are clamped; a negative step walks
// backwards. Source: ONNX Slice-13.
Value slice(Graph& graph, Value x, Value starts, Value ends, Value axes = {}, Value steps = {});
// The same along one axis.
Value slice(Graph& graph, Value x, int64_t axis, int64_t start, int64_t end, int64_t step = 1);

}  // namespace fovea
