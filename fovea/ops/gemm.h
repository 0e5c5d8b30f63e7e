#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct GemmAttributes {
  double alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  FOVEA_FIELDS(GemmAttributes, alpha, beta, trans_a, trans_b)
};

namespace ops {
extern const Op gemm;
}

// alpha · a' · b' + beta · c: a' [M,K], b' [K,N] (stored transposed where the attributes say so), c broadcast to [M,N]
// or not given → [M,N]. A fully connected layer is gemm(x [N,I], weight [O,I], bias [O], {.trans_b = true}). Any
// numeric type, all the same. Throws Error{shape} when an operand is no matrix, inner sizes differ or c does not
// broadcast to [M,N]. Source: ONNX Gemm-13.
Value gemm(Graph& graph, Value a, Value b, Value c = {}, GemmAttributes attributes = {});

}  // namespace fovea
