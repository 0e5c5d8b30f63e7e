// lp_pool: y[n,c,p] = (Σ_k |x[n,c,p·stride − pad + k·dilation]|^p)^(1/p), a composition: power, sum pooling, root.
// Source: ONNX LpPool-18; Sermanet, Chintala & LeCun, "Convolutional neural networks applied to house numbers digit
// classification", 2012.
#include "fovea/ops/lp_pool.h"

#include "fovea/ops/abs.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pow.h"

namespace fovea {

Value lp_pool(Graph& graph, Value x, LpPoolSettings s) {
  require(s.p >= 1, ErrorKind::usage, "lp_pool: p is {}, it must be at least 1", s.p);
  const DType dtype = graph.dtype(x);
  Value powers = s.p == 2 ? mul(graph, x, x) : abs(graph, x);
  if (s.p != 1 && s.p != 2) powers = pow(graph, powers, scalar(graph, s.p, dtype));
  const Value sum = average_pool(graph, powers,
                                 {.kernel = s.kernel,
                                  .stride = s.stride,
                                  .dilation = s.dilation,
                                  .pad = s.pad,
                                  .auto_pad = s.auto_pad,
                                  .ceil = s.ceil,
                                  .sum = true});
  return s.p == 1 ? sum : pow(graph, sum, scalar(graph, 1 / s.p, dtype));
}

}  // namespace fovea
