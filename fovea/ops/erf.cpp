// erf: y = 2/√π ∫_0^x e^-t² dt; dy/dx = 2/√π e^-x². Source: ONNX Erf-13.
#include "fovea/ops/erf.h"

#include <numbers>

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {mul(g, dy, scale(g, exp(g, neg(g, mul(g, x, x))), 2 / std::sqrt(std::numbers::pi)))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::erf(x); });
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 20 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op erf = {
    .name = "erf",
    .doc = "the error function of x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value erf(Graph& graph, Value x) { return graph.add(ops::erf, {x}); }

}  // namespace fovea
