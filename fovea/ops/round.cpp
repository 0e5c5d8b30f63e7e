// round: the nearest integer, halves to the even one. Integers stay as they are. No gradient flows. Source: ONNX
// Round-11.
#include "fovea/ops/round.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation&) { return {{}}; }

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_integral_v<T>) {
      return x;
    } else {
      // Independent of the rounding mode: away from zero, except that an odd half goes back.
      const T near = std::round(x);
      return std::abs(x - std::trunc(x)) == T(0.5) ? T(2) * std::round(x / T(2)) : near;
    }
  });
}

std::vector<Case> cases() {
  std::vector<Case> result = unary_cases(-1.45, 1.45, 0.5);
  const Tensor halves = Tensor::of<float>({7}, {-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 3.5F});
  result.push_back({.name = "halves", .inputs = {{.type = {DType::f32, {7}}, .value = halves}}, .gradient = false});
  return result;
}

}  // namespace

namespace ops {
const Op round = {
    .name = "round",
    .doc = "the nearest integer, halves to even",
    .infer = infer_number,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value round(Graph& graph, Value x) { return graph.add(ops::round, {x}); }

}  // namespace fovea
