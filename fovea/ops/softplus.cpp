// softplus: y = ln(1 + e^x), computed as max(x, 0) + log1p(e^-|x|); dy/dx = sigmoid(x). Source: ONNX Softplus-1.
#include "fovea/ops/softplus.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sigmoid.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {mul(g, dy, sigmoid(g, x))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
  });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 20 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op softplus = {
    .name = "softplus",
    .doc = "ln(1 + e^x)",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value softplus(Graph& graph, Value x) { return graph.add(ops::softplus, {x}); }

}  // namespace fovea
