// equal: c = (a == b), broadcast, as bool; any element type. Source: ONNX Equal-13.
#include "fovea/ops/equal.h"

#include "fovea/ops/elementwise.h"

namespace fovea {

namespace {

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return a == b; });
}

std::vector<Case> cases() {
  auto one = [](DType dtype, Shape a, Shape b) {
    return Case{.name = fmt::format("{}_rank{}", to_string(dtype), b.rank()),
                .inputs = {{.type = {dtype, std::move(a)}, .low = 0, .high = 3},
                           {.type = {dtype, std::move(b)}, .low = 0, .high = 3}}};
  };
  return {one(DType::i64, {2, 3, 5}, {2, 3, 5}), one(DType::i32, {2, 3, 5}, {3, 1}),
          one(DType::boolean, {2, 3, 5}, {5}), one(DType::f32, {7}, {})};
}

}  // namespace

namespace ops {
const Op equal = {.name = "equal",
                  .doc = "a == b, as bool",
                  .infer = infer_comparison,
                  .no_gradient = "its result is a truth value",
                  .reference = reference,
                  .cases = cases};
}

Value equal(Graph& graph, Value a, Value b) { return graph.add(ops::equal, {a, b}); }

}  // namespace fovea
