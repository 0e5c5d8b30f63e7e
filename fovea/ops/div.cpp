// div: c = a / b, broadcast. Integers truncate towards zero; an integer divided by 0 gives 0 (ONNX leaves it open).
// dc/da = 1 / b, dc/db = -c / b. Source: ONNX Div-14.
#include "fovea/ops/div.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value per_unit = div(g, d.d_output(), d.input(1));
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, per_unit, d.shape(d.input(0)));
  if (d.wanted[1]) result[1] = sum_to(g, neg(g, mul(g, per_unit, d.outputs[0])), d.shape(d.input(1)));
  return result;
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return divide(a, b); });
}

std::vector<Case> cases() {
  std::vector<Case> result = binary_cases(0.5, 3);
  const Case::Input integers{.type = {DType::i64, {2, 3, 5}}, .low = -9, .high = 9, .differentiate = false};
  result.push_back({.name = "i64", .inputs = {integers, integers}, .gradient = false});
  return result;
}

}  // namespace

namespace ops {
const Op div = {.name = "div",
                .doc = "a / b",
                .infer = infer_arithmetic,
                .gradient = differentiate,
                .reference = reference,
                .cases = cases,
                .zero_in_zero_out = 1};
}

Value div(Graph& graph, Value a, Value b) { return graph.add(ops::div, {a, b}); }

}  // namespace fovea
