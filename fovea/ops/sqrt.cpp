// sqrt: y = √x; dy/dx = 1 / (2 y), infinite at 0. NaN below 0. Source: ONNX Sqrt-13.
#include "fovea/ops/sqrt.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/div.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  return {scale(g, div(g, dy, y), 0.5)};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::sqrt(x); });
}

std::vector<Case> cases() { return unary_cases(0.3, 4); }

}  // namespace

namespace ops {
const Op sqrt = {
    .name = "sqrt",
    .doc = "the square root of x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value sqrt(Graph& graph, Value x) { return graph.add(ops::sqrt, {x}); }

}  // namespace fovea
