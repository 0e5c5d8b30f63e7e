// max: the larger of a and b, broadcast; NaN where either is NaN. Where a = b each gets half of the gradient (as in
// JAX). Source: ONNX Max-13.
#include "fovea/ops/max.h"

#include "fovea/ops/add.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value dy = d.d_output();
  const Value a = d.input(0), b = d.input(1);
  const DType type = g.dtype(dy);
  const Value half = scale(g, cast(g, equal(g, a, b), type), 0.5);
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, mul(g, dy, add(g, cast(g, greater(g, a, b), type), half)), d.shape(a));
  if (d.wanted[1]) result[1] = sum_to(g, mul(g, dy, add(g, cast(g, greater(g, b, a), type), half)), d.shape(b));
  return result;
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return a > b || a != a ? a : b; });
}

std::vector<Case> cases() { return binary_cases(); }

}  // namespace

namespace ops {
const Op max = {
    .name = "max",
    .doc = "the larger of a and b",
    .infer = infer_arithmetic,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
};
}

Value maximum(Graph& graph, Value a, Value b) { return graph.add(ops::max, {a, b}); }

}  // namespace fovea
