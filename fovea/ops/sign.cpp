// sign: y = -1, 0 or 1, as x is below, at or above 0; NaN stays NaN. No gradient flows. Source: ONNX Sign-13.
#include "fovea/ops/sign.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation&) { return {{}}; }

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_floating_point_v<T>)
      if (x != x) return x;
    return T((x > T(0)) - (x < T(0)));
  });
}

std::vector<Case> cases() { return unary_cases(-3, 3, 0); }

}  // namespace

namespace ops {
const Op sign = {
    .name = "sign",
    .doc = "-1, 0 or 1",
    .infer = infer_number,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value sign(Graph& graph, Value x) { return graph.add(ops::sign, {x}); }

}  // namespace fovea
