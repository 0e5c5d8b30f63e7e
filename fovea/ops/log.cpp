// log: y = ln x; dy/dx = 1 / x. -inf at 0, NaN below. Source: ONNX Log-13.
#include "fovea/ops/log.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/div.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {div(g, dy, x)};
}

void reference(const Call& call) {
  map_float(call, [](auto x) { return std::log(x); });
}

std::vector<Case> cases() { return unary_cases(0.3, 4); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 10 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op log = {
    .name = "log",
    .doc = "ln x",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value log(Graph& graph, Value x) { return graph.add(ops::log, {x}); }

}  // namespace fovea
