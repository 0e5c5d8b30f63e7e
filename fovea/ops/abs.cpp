// abs: y = |x|; dy/dx = sign(x), 0 at 0. The smallest signed integer wraps to itself. Source: ONNX Abs-13.
#include "fovea/ops/abs.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sign.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  return {mul(g, dy, sign(g, x))};
}

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_unsigned_v<T>) return x;
    else if constexpr (std::is_integral_v<T>) return x < T(0) ? subtract(T(0), x) : x;
    else return std::abs(x);
  });
}

std::vector<Case> cases() { return unary_cases(-3, 3, 0); }

}  // namespace

namespace ops {
const Op abs = {
    .name = "abs",
    .doc = "|x|",
    .infer = infer_number,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value abs(Graph& graph, Value x) { return graph.add(ops::abs, {x}); }

}  // namespace fovea
