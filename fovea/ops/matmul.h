#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct MatmulAttributes {
  bool transpose_a = false, transpose_b = false;  // swap the last two axes; not for operands of rank 1
  FOVEA_FIELDS(MatmulAttributes, transpose_a, transpose_b)
};

namespace ops {
extern const Op matmul;
}

// a [...,M,K] · b [...,K,N] → [...,M,N]; leading axes broadcast. A vector a [K] counts as a row and b [K] as a column,
// and the axis this adds is dropped from the result. Any numeric type, both the same. Throws Error{shape} when the
// inner sizes differ, an operand has rank 0 or a vector is to be transposed. Source: numpy.matmul; ONNX MatMul-13.
Value matmul(Graph& graph, Value a, Value b, MatmulAttributes attributes = {});

}  // namespace fovea
