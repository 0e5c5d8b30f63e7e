// not: y = !x, booleans only. Source: ONNX Not-1.
#include "fovea/ops/not.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::boolean, ErrorKind::type, "expected bool, got {}", to_string(in.dtype(0)));
  return in.type(0);
}

void reference(const Call& call) {
  const auto x = call.inputs[0].data<bool>();
  const auto y = call.outputs[0].data<bool>();
  for (size_t i = 0; i < x.size(); ++i) y[i] = !x[i];
}

std::vector<Case> cases() { return {{.name = "odd", .inputs = {{.type = {DType::boolean, {2, 3, 5}}}}}}; }

}  // namespace

namespace ops {
const Op not_ = {
    .name = "not",
    .doc = "not x, on booleans",
    .infer = infer,
    .no_gradient = "its result is a truth value",
    .reference = reference,
    .cases = cases,
    .elementwise = true,
};
}

Value not_(Graph& graph, Value x) { return graph.add(ops::not_, {x}); }

}  // namespace fovea
