// floor: the largest integer not above x. Integers stay as they are. No gradient flows. Source: ONNX Floor-13.
#include "fovea/ops/floor.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation&) { return {{}}; }

void reference(const Call& call) {
  map_number(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_integral_v<T>) return x;
    else return std::floor(x);
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
const Op floor = {
    .name = "floor",
    .doc = "the largest integer not above x",
    .infer = infer_number,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value floor(Graph& graph, Value x) { return graph.add(ops::floor, {x}); }

}  // namespace fovea
