#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op tile;
}

// x repeated repeats[k] times along axis k; repeats is a vector of i64, one an axis, known at build time. Source: ONNX
// Tile-13.
Value tile(Graph& graph, Value x, Value repeats);
Value tile(Graph& graph, Value x, const Ints& repeats);

}  // namespace fovea
