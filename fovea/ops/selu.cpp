// selu: y = gamma x above 0, gamma alpha (e^x - 1) elsewhere; dy/dx = gamma above 0, y + gamma alpha elsewhere.
// Source: ONNX Selu-6; Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
#include "fovea/ops/selu.h"

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
  const auto& a = d.as<SeluAttributes>();
  const Value positive = greater(g, x, scalar(g, 0, g.dtype(x)));
  return {where(g, positive, scale(g, dy, a.gamma), mul(g, dy, shift(g, y, a.gamma * a.alpha)))};
}

void reference(const Call& call) {
  const auto& a = call.as<SeluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return T(a.gamma) * (x > T(0) ? x : T(a.alpha) * std::expm1(x));
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const SeluAttributes& a : std::vector<SeluAttributes>{{}, {.alpha = 2, .gamma = 3}})
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
const Op selu = {
    .name = "selu",
    .doc = "gamma x above 0, gamma alpha (e^x - 1) elsewhere",
    .attributes = &SeluAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value selu(Graph& graph, Value x, SeluAttributes attributes) { return graph.add(ops::selu, {x}, attributes); }

}  // namespace fovea
