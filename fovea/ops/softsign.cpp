// softsign: y = x / (1 + |x|); dy/dx = 1 / (1 + |x|)². Source: ONNX Softsign-1.
#include "fovea/ops/softsign.h"

#include "fovea/ops/abs.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/div.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const Value below = shift(g, abs(g, x), 1);
  return {div(g, div(g, dy, below), below)};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    return x / (T(1) + std::abs(x));
  });
}

std::vector<Case> cases() { return unary_cases(-3, 3, 0); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 3 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op softsign = {
    .name = "softsign",
    .doc = "x / (1 + |x|)",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value softsign(Graph& graph, Value x) { return graph.add(ops::softsign, {x}); }

}  // namespace fovea
