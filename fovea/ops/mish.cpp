// mish: y = x t, t = tanh(ln(1 + e^x)); dy/dx = t + x (1 - t²) sigmoid(x). Source: ONNX Mish-18; Misra, "Mish", BMVC
// 2020.
#include "fovea/ops/mish.h"

#include "fovea/ops/add.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/tanh.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const Value t = tanh(g, softplus(g, x));
  const Value slope = mul(g, mul(g, x, sigmoid(g, x)), shift(g, neg(g, mul(g, t, t)), 1));
  return {mul(g, dy, add(g, t, slope))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    return x * std::tanh(std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))));
  });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 33 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op mish = {
    .name = "mish",
    .doc = "x tanh(ln(1 + e^x))",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value mish(Graph& graph, Value x) { return graph.add(ops::mish, {x}); }

}  // namespace fovea
