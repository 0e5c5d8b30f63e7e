// sin: y = sin x; dy/dx = cos x. Source: ONNX Sin-7.
#include "fovea/ops/sin.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/cos.h"
#include "fovea/ops/mul.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {mul(g, dy, cos(g, x))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::sin(x); });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 10 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op sin = {
    .name = "sin",
    .doc = "the sine of x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value sin(Graph& graph, Value x) { return graph.add(ops::sin, {x}); }

}  // namespace fovea
