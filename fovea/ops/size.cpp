// size: the number of x's elements. Known at build time. Source: ONNX Size-13.
#include "fovea/ops/size.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  Inferred inferred(Type{DType::i64, {}});
  inferred.known = {Tensor::scalar<int64_t>(in.shape(0).count())};
  return inferred;
}

void reference(const Call& call) { call.outputs[0].data<int64_t>()[0] = call.inputs[0].count(); }

std::vector<Case> cases() {
  return {{.name = "odd", .inputs = {{.type = {DType::f32, {2, 3, 5}}}}},
          {.name = "scalar", .inputs = {{.type = {DType::f32, {}}}}}};
}

}  // namespace

namespace ops {
const Op size = {
    .name = "size",
    .doc = "the number of x's elements",
    .infer = infer,
    .no_gradient = "sizes do not depend on the elements",
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value size(Graph& graph, Value x) { return graph.add(ops::size, {x}); }

}  // namespace fovea
