// leaky_relu: y = alpha x below 0, x elsewhere; dy/dx = alpha below 0, 1 elsewhere.
// Source: ONNX LeakyRelu-16; Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML
// 2013.
#include "fovea/ops/leaky_relu.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const auto& a = d.as<LeakyReluAttributes>();
  const Value negative = less(g, x, scalar(g, 0, g.dtype(x)));
  return {where(g, negative, scale(g, dy, a.alpha), dy)};
}

void reference(const Call& call) {
  const auto& a = call.as<LeakyReluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return x < T(0) ? T(a.alpha) * x : x;
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const LeakyReluAttributes& a : std::vector<LeakyReluAttributes>{{}, {.alpha = 0.2}})
    for (Case& c : unary_cases(-3, 3, 0)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 2 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op leaky_relu = {
    .name = "leaky_relu",
    .doc = "alpha x below 0, x elsewhere",
    .attributes = &LeakyReluAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value leaky_relu(Graph& graph, Value x, LeakyReluAttributes attributes) {
  return graph.add(ops::leaky_relu, {x}, attributes);
}

}  // namespace fovea
