#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct TriluAttributes {
  bool upper = true;
  int64_t offset = 0;  // ONNX's k: above 0 moves the boundary up and right
  FOVEA_FIELDS(TriluAttributes, upper, offset)
};

namespace ops {
extern const Op trilu;
}

// The upper or lower triangle of the matrices of the last two axes, zeros elsewhere; the diagonal `offset` is the
// boundary and is kept.
// Source: ONNX Trilu-14.
Value trilu(Graph& graph, Value x, TriluAttributes attributes = {});

}  // namespace fovea
