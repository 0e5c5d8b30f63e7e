#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct SoftmaxAttributes {
  int64_t axis = -1;
  FOVEA_FIELDS(SoftmaxAttributes, axis)
};

namespace ops {
extern const Op softmax, log_softmax;
}

// exp(x) / Σ exp(x) along one axis; any shape of rank ≥ 1, f32 or f64. Stable for any finite input.
// Throws Error{shape} when the axis does not exist. Source: ONNX Softmax-13 (for older opsets flatten first).
Value softmax(Graph& graph, Value x, SoftmaxAttributes attributes = {});
// x − log Σ exp(x) along one axis. Source: ONNX LogSoftmax-13.
Value log_softmax(Graph& graph, Value x, SoftmaxAttributes attributes = {});

}  // namespace fovea
