// celu: y = max(0, x) + min(0, alpha (e^(x / alpha) - 1)); dy/dx = 1 above 0, 1 + y / alpha elsewhere.
// Source: ONNX Celu-12; Barron, "Continuously differentiable exponential linear units", 2017.
#include "fovea/ops/celu.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  const auto& a = d.as<CeluAttributes>();
  const Value positive = greater(g, x, scalar(g, 0, g.dtype(x)));
  return {where(g, positive, dy, mul(g, dy, shift(g, scale(g, y, 1 / a.alpha), 1)))};
}

void reference(const Call& call) {
  const auto& a = call.as<CeluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return std::max(T(0), x) + std::min(T(0), T(a.alpha) * std::expm1(x / T(a.alpha)));
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const CeluAttributes& a : std::vector<CeluAttributes>{{}, {.alpha = 2}})
    for (Case& c : unary_cases(-3, 3, 0)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 14 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op celu = {
    .name = "celu",
    .doc = "max(0, x) + min(0, alpha (e^(x / alpha) - 1))",
    .attributes = &CeluAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value celu(Graph& graph, Value x, CeluAttributes attributes) { return graph.add(ops::celu, {x}, attributes); }

}  // namespace fovea
