#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct TopKAttributes {
  int64_t axis = -1;
  bool largest = true;  // the largest elements, else the smallest
  bool sorted = true;   // kept for the record: the result is always sorted
  FOVEA_FIELDS(TopKAttributes, axis, largest, sorted)
};

namespace ops {
extern const Op top_k;
}

// The k extreme elements along one axis, best first → {values, indices i64}, both with size k on the axis. `k` is an
// integer vector of one element, known while building. Of equal elements the one with the smaller index comes first;
// NaN counts as the extreme. Any numeric type. Returns the values; the indices are {values.node, 1}. Throws
// Error{shape} when the axis does not exist or k is not in [0, its size]. Source: ONNX TopK-11.
Value top_k(Graph& graph, Value x, Value k, TopKAttributes attributes = {});
Value top_k(Graph& graph, Value x, int64_t k, TopKAttributes attributes = {});

}  // namespace fovea
