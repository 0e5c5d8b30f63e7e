// sigmoid: y = 1 / (1 + e^-x), without overflow on either side; dy/dx = y (1 - y). Source: ONNX Sigmoid-13.
#include "fovea/ops/sigmoid.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  return {mul(g, dy, sub(g, y, mul(g, y, y)))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    // The exponent is never positive.
    const T e = std::exp(-std::abs(x));
    return x < T(0) ? e / (T(1) + e) : T(1) / (T(1) + e);
  });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 12 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op sigmoid = {
    .name = "sigmoid",
    .doc = "1 / (1 + e^-x)",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value sigmoid(Graph& graph, Value x) { return graph.add(ops::sigmoid, {x}); }

}  // namespace fovea
