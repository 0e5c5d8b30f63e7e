// hard_swish: y = x h(x), h(x) = max(0, min(1, x / 6 + 1 / 2)); dy/dx = h + x / 6 where 0 < h < 1, h elsewhere.
// Source: ONNX HardSwish-14; Howard et al., "Searching for MobileNetV3", ICCV 2019.
#include "fovea/ops/hard_swish.h"

#include "fovea/ops/add.h"
#include "fovea/ops/and.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/hard_sigmoid.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const DType type = g.dtype(x);
  const Value h = hard_sigmoid(g, x, {.alpha = 1.0 / 6, .beta = 0.5});
  const Value inside = and_(g, greater(g, h, scalar(g, 0, type)), less(g, h, scalar(g, 1, type)));
  const Value slope = where(g, inside, scale(g, x, 1.0 / 6), scalar(g, 0, type));
  return {mul(g, dy, add(g, h, slope))};
}

void reference(const Call& call) {
  map_float(call, [](auto x) {
    using T = decltype(x);
    return x * std::max(T(0), std::min(T(1), x / T(6) + T(0.5)));
  });
}

std::vector<Case> cases() { return unary_cases(-5, 5, 3); }

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 5 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op hard_swish = {
    .name = "hard_swish",
    .doc = "x max(0, min(1, x / 6 + 1 / 2))",
    .infer = infer_same_float,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value hard_swish(Graph& graph, Value x) { return graph.add(ops::hard_swish, {x}); }

}  // namespace fovea
