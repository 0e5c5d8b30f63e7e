// exp: y = e^x; dy/dx = y. Source: ONNX Exp-13.
#include "fovea/ops/exp.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  return {mul(g, dy, y)};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::exp(x); });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 10 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op exp = {
    .name = "exp",
    .doc = "e^x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value exp(Graph& graph, Value x) { return graph.add(ops::exp, {x}); }

}  // namespace fovea
