// thresholded_relu: y = x above alpha, 0 elsewhere; dy/dx = 1 above alpha, 0 elsewhere. Source: ONNX
// ThresholdedRelu-10.
#include "fovea/ops/thresholded_relu.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const auto& a = d.as<ThresholdedReluAttributes>();
  const Value above = greater(g, x, scalar(g, a.alpha, g.dtype(x)));
  return {where(g, above, dy, scalar(g, 0, g.dtype(dy)))};
}

void reference(const Call& call) {
  const auto& a = call.as<ThresholdedReluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    return x > T(a.alpha) ? x : T(0);
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const ThresholdedReluAttributes& a : std::vector<ThresholdedReluAttributes>{{}})
    for (Case& c : unary_cases(-3, 3, 1)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

}  // namespace

namespace ops {
const Op thresholded_relu = {
    .name = "thresholded_relu",
    .doc = "x above alpha, 0 elsewhere",
    .attributes = &ThresholdedReluAttributes::info,
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value thresholded_relu(Graph& graph, Value x, ThresholdedReluAttributes attributes) {
  return graph.add(ops::thresholded_relu, {x}, attributes);
}

}  // namespace fovea
