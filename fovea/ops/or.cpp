// or: booleans, broadcast. Source: ONNX Or-7.
#include "fovea/ops/or.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::boolean, ErrorKind::type, "expected bool, got {}", to_string(in.dtype(0)));
  return infer_broadcast(in);
}

void reference(const Call& call) {
  const bool* a = call.inputs[0].data<bool>().data();
  const bool* b = call.inputs[1].data<bool>().data();
  bool* c = call.outputs[0].data<bool>().data();
  for_broadcast(call.outputs[0].shape(), call.inputs[0].shape(), call.inputs[1].shape(),
                [&](int64_t i, int64_t ia, int64_t ib) { c[i] = a[ia] || b[ib]; });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Shape& b : {Shape{2, 3, 5}, Shape{3, 1}, Shape{}})
    result.push_back({.name = fmt::format("rank{}", b.rank()),
                      .inputs = {{.type = {DType::boolean, {2, 3, 5}}}, {.type = {DType::boolean, b}}}});
  return result;
}

}  // namespace

namespace ops {
const Op or_ = {
    .name = "or",
    .doc = "a or b, on booleans",
    .infer = infer,
    .no_gradient = "its result is a truth value",
    .reference = reference,
    .cases = cases,
};
}

Value or_(Graph& graph, Value a, Value b) { return graph.add(ops::or_, {a, b}); }

}  // namespace fovea
