// hard_sigmoid: y = max(0, min(1, alpha x + beta)); dy/dx = alpha where 0 < y < 1, 0 elsewhere. Source: ONNX
// HardSigmoid-6.
#include "fovea/ops/hard_sigmoid.h"

#include "fovea/ops/and.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  const auto& a = d.as<HardSigmoidAttributes>();
  const DType type = g.dtype(x);
  const Value inside = and_(g, greater(g, y, scalar(g, 0, type)), less(g, y, scalar(g, 1, type)));
  return {where(g, inside, scale(g, dy, a.alpha), scalar(g, 0, type))};
}

void reference(const Call& call) {
  const auto& a = call.as<HardSigmoidAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return std::max(T(0), std::min(T(1), T(a.alpha) * x + T(a.beta)));
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const HardSigmoidAttributes& a : std::vector<HardSigmoidAttributes>{{}, {.alpha = 0.4, .beta = 0.5}})
    for (Case& c : unary_cases(-4, 4, a.beta / a.alpha)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 4 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op hard_sigmoid = {
    .name = "hard_sigmoid",
    .doc = "max(0, min(1, alpha x + beta))",
    .attributes = &HardSigmoidAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value hard_sigmoid(Graph& graph, Value x, HardSigmoidAttributes attributes) {
  return graph.add(ops::hard_sigmoid, {x}, attributes);
}

}  // namespace fovea
