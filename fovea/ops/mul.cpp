// mul: c = a · b, broadcast. Integers wrap around. Source: ONNX Mul-14.
#include "fovea/ops/mul.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, mul(g, d.d_output(), d.input(1)), d.shape(d.input(0)));
  if (d.wanted[1]) result[1] = sum_to(g, mul(g, d.d_output(), d.input(0)), d.shape(d.input(1)));
  return result;
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return multiply(a, b); });
}

std::vector<Case> cases() { return binary_cases(); }

}  // namespace

namespace ops {
const Op mul = {.name = "mul",
                .doc = "a * b",
                .infer = infer_arithmetic,
                .gradient = differentiate,
                .reference = reference,
                .cases = cases,
                .zero_in_zero_out = 3};
}

Value mul(Graph& graph, Value a, Value b) { return graph.add(ops::mul, {a, b}); }

}  // namespace fovea
