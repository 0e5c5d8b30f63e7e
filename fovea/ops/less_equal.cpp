// less_equal: c = (a <= b), broadcast, as bool; false where either is NaN. Source: ONNX LessOrEqual-16.
#include "fovea/ops/less_equal.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "expected numbers, got bool");
  return infer_comparison(in);
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return a <= b; });
}

std::vector<Case> cases() {
  std::vector<Case> result = binary_cases();
  const Case::Input integers{.type = {DType::i64, {2, 3, 5}}, .low = 0, .high = 4};
  result.push_back({.name = "ties", .inputs = {integers, integers}});
  return result;
}

}  // namespace

namespace ops {
const Op less_equal = {
    .name = "less_equal",
    .doc = "a <= b, as bool",
    .infer = infer,
    .no_gradient = "its result is a truth value",
    .reference = reference,
    .cases = cases,
};
}

Value less_equal(Graph& graph, Value a, Value b) { return graph.add(ops::less_equal, {a, b}); }

}  // namespace fovea
