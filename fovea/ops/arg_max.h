#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ArgMaxAttributes {
  int64_t axis = 0;
  bool keep = true;          // keep the axis as size 1
  bool select_last = false;  // of equal extremes take the last instead of the first
  FOVEA_FIELDS(ArgMaxAttributes, axis, keep, select_last)
};

namespace ops {
extern const Op arg_max, arg_min;
}

// Where along one axis the largest (smallest) element is: i64, the axis dropped or of size 1. Any numeric type; NaN
// counts as the extreme. Throws Error{shape} when the axis does not exist or is empty. Source: ONNX ArgMax-13,
// ArgMin-13.
Value arg_max(Graph& graph, Value x, ArgMaxAttributes attributes = {});
Value arg_min(Graph& graph, Value x, ArgMaxAttributes attributes = {});

}  // namespace fovea
