// elu: y = x above 0, alpha (e^x - 1) elsewhere; dy/dx = 1 above 0, y + alpha elsewhere.
// Source: ONNX Elu-6; Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear
// units", ICLR 2016.
#include "fovea/ops/elu.h"

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
  const auto& a = d.as<EluAttributes>();
  const Value positive = greater(g, x, scalar(g, 0, g.dtype(x)));
  return {where(g, positive, dy, mul(g, dy, shift(g, y, a.alpha)))};
}

void reference(const Call& call) {
  const auto& a = call.as<EluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return x > T(0) ? x : T(a.alpha) * std::expm1(x);
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const EluAttributes& a : std::vector<EluAttributes>{{}, {.alpha = 0.5}})
    for (Case& c : unary_cases(-3, 3, 0)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 12 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op elu = {
    .name = "elu",
    .doc = "x above 0, alpha (e^x - 1) elsewhere",
    .attributes = &EluAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value elu(Graph& graph, Value x, EluAttributes attributes) { return graph.add(ops::elu, {x}, attributes); }

}  // namespace fovea
