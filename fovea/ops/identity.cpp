// identity: y = x, any element type. Source: ONNX Identity-13.
#include "fovea/ops/identity.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  const Value dy = d.d_output();
  return {dy};
}

void reference(const Call& call) {
  if (call.inputs[0].bytes() > 0) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
}

std::vector<Case> cases() { return unary_cases(); }

Cost cost(const Node&, std::span<const Type>) { return {}; }

}  // namespace

namespace ops {
const Op identity = {
    .name = "identity",
    .doc = "x",
    .infer = infer_same,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}

Value identity(Graph& graph, Value x) { return graph.add(ops::identity, {x}); }

}  // namespace fovea
