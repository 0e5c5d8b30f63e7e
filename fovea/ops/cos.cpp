// cos: y = cos x; dy/dx = -sin x. Source: ONNX Cos-7.
#include "fovea/ops/cos.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/sin.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {neg(g, mul(g, dy, sin(g, x)))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::cos(x); });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 10 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op cos = {
    .name = "cos",
    .doc = "the cosine of x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value cos(Graph& graph, Value x) { return graph.add(ops::cos, {x}); }

}  // namespace fovea
