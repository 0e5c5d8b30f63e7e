// ceil: the smallest integer not below x. Integers stay as they are. No gradient flows. Source: ONNX Ceil-13.
#include "fovea/ops/ceil.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation&) { return {{}}; }

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_integral_v<T>) return x;
    else return std::ceil(x);
  });
}

std::vector<Case> cases() {
  std::vector<Case> result = unary_cases(-0.95, 0.95, 0);
  const Case::Input wide{.type = {DType::f32, {2, 3, 5}}, .low = -9, .high = 9};
  result.push_back({.name = "many", .inputs = {wide}, .gradient = false});
  return result;
}

}  // namespace

namespace ops {
const Op ceil = {
    .name = "ceil",
    .doc = "the smallest integer not below x",
    .infer = infer_number,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value ceil(Graph& graph, Value x) { return graph.add(ops::ceil, {x}); }

}  // namespace fovea
