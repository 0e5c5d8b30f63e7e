// gate: y = open ? x : 0 for the whole tensor. A closed gate hides even NaN and infinity. Its gradient is gated too.
// Source: ours; stochastic depth (Huang et al., "Deep networks with stochastic depth", ECCV 2016) uses it in training.
#include "fovea/ops/gate.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(1) == DType::boolean && in.shape(1).count() == 1, ErrorKind::type, "`open` is {}, expected one bool",
          to_string(in.type(1)));
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) { return {gate(d.graph, d.d_output(), d.input(1)), {}}; }

void reference(const Call& call) {
  if (call.outputs[0].bytes() == 0) return;
  if (call.inputs[1].data<bool>()[0]) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.outputs[0].bytes());
  else std::memset(call.outputs[0].raw(), 0, call.outputs[0].bytes());
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 5, 7}}};
  auto open = [](bool value) {
    return Case::Input{
        .type = {DType::boolean, {}}, .value = Tensor::full(DType::boolean, {}, value), .differentiate = false};
  };
  return {{.name = "open", .inputs = {x, open(true)}}, {.name = "closed", .inputs = {x, open(false)}}};
}

Cost cost(const Node&, std::span<const Type>) { return {}; }

}  // namespace

namespace ops {
const Op gate = {.name = "gate",
                 .doc = "x where open, else 0",
                 .infer = infer,
                 .gradient = differentiate,
                 .reference = reference,
                 .cases = cases,
                 .cost = cost,
                 .zero_in_zero_out = 1};
}

Value gate(Graph& graph, Value x, Value open) { return graph.add(ops::gate, {x, open}); }

}  // namespace fovea
