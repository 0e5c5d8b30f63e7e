#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct CumsumAttributes {
  int64_t axis = 0;
  bool exclusive = false;  // without the element itself: the first is 0
  bool reverse = false;    // from the end
  FOVEA_FIELDS(CumsumAttributes, axis, exclusive, reverse)
};

namespace ops {
extern const Op cumsum;
}

// Running sums along an axis, any shape of rank 1 or more, any numeric type. Source: ONNX CumSum-14.
Value cumsum(Graph& graph, Value x, CumsumAttributes attributes = {});

}  // namespace fovea
