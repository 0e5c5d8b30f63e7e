// reciprocal: y = 1 / x; dy/dx = -y². Source: ONNX Reciprocal-13.
#include "fovea/ops/reciprocal.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  return {neg(g, mul(g, dy, mul(g, y, y)))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    return T(1) / x;
  });
}

std::vector<Case> cases() { return unary_cases(0.4, 3); }

}  // namespace

namespace ops {
const Op reciprocal = {
    .name = "reciprocal",
    .doc = "1 / x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .elementwise = true,
};
}

Value reciprocal(Graph& graph, Value x) { return graph.add(ops::reciprocal, {x}); }

}  // namespace fovea
