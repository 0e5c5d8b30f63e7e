// sub: c = a - b, broadcast. Integers wrap around. Source: ONNX Sub-14.
#include "fovea/ops/sub.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value dy = d.d_output();
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, dy, d.shape(d.input(0)));
  if (d.wanted[1]) result[1] = neg(g, sum_to(g, dy, d.shape(d.input(1))));
  return result;
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return subtract(a, b); });
}

std::vector<Case> cases() { return binary_cases(); }

}  // namespace

namespace ops {
const Op sub = {
    .name = "sub",
    .doc = "a - b",
    .infer = infer_arithmetic,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
};
}

Value sub(Graph& graph, Value a, Value b) { return graph.add(ops::sub, {a, b}); }

}  // namespace fovea
