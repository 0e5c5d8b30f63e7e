// Pooling over whole planes: one operator (the average, at the end of most networks) and compositions.
#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op global_average_pool;
}

// x [N,C,spatial] → the average of each plane [N,C,1...]; f32 or f64. Throws Error{shape} for a rank below 3.
// Source: ONNX GlobalAveragePool-1.
Value global_average_pool(Graph& graph, Value x);
// The same with the maximum, and with (Σ |x|^p)^(1/p), p ≥ 1. Composites. Source: ONNX GlobalMaxPool-1, GlobalLpPool-2.
Value global_max_pool(Graph& graph, Value x);
Value global_lp_pool(Graph& graph, Value x, double p = 2);

}  // namespace fovea
