// tanh: y = (e^x - e^-x) / (e^x + e^-x); dy/dx = 1 - y². Source: ONNX Tanh-13.
#include "fovea/ops/tanh.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  return {sub(g, dy, mul(g, dy, mul(g, y, y)))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::tanh(x); });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 12 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op tanh = {
    .name = "tanh",
    .doc = "the hyperbolic tangent of x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value tanh(Graph& graph, Value x) { return graph.add(ops::tanh, {x}); }

}  // namespace fovea
