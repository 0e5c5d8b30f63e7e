// neg: y = -x. Unsigned integers wrap around. Source: ONNX Neg-13.
#include "fovea/ops/neg.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) { return {neg(d.graph, d.d_output())}; }

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_integral_v<T>) return subtract(T(0), x);
    else return -x;
  });
}

std::vector<Case> cases() { return unary_cases(); }

}  // namespace

namespace ops {
const Op neg = {.name = "neg",
                .doc = "-x",
                .infer = infer_number,
                .gradient = differentiate,
                .reference = reference,
                .cases = cases,
                .zero_in_zero_out = 1,
                .elementwise = true};
}

Value neg(Graph& graph, Value x) { return graph.add(ops::neg, {x}); }

}  // namespace fovea
