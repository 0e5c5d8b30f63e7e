// squeeze: x without axes of size 1. Source: ONNX Squeeze-13.
#include "fovea/ops/squeeze.h"

#include "fovea/ops/movement.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape& from = in.shape(0);
  const Ints& axes = in.as<SqueezeAttributes>().axes;
  std::vector<bool> gone(from.size(), false);
  for (size_t k = 0; k < from.size(); ++k) gone[k] = axes.empty() && from[k] == 1;
  for (const int64_t named : axes) {
    const auto axis = static_cast<size_t>(normal_axis(named, from.rank(), "squeeze"));
    require(from[axis] == 1, ErrorKind::shape, "axis {} of {} is not of size 1", named, to_string(from));
    gone[axis] = true;
  }
  Shape to;
  for (size_t k = 0; k < from.size(); ++k)
    if (!gone[k]) to.push_back(from[k]);
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {reshape(d.graph, d.d_output(), d.shape(d.input(0)))};
}

void reference(const Call& call) {
  if (call.inputs[0].bytes() > 0) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {1, 3, 1, 5, 1}}};
  return {{.name = "all", .inputs = {x}, .attributes = SqueezeAttributes{}},
          {.name = "named", .inputs = {x}, .attributes = SqueezeAttributes{{2, 0}}},
          {.name = "last", .inputs = {x}, .attributes = SqueezeAttributes{-1}}};
}

}  // namespace

namespace ops {
const Op squeeze = {
    .name = "squeeze",
    .doc = "x without axes of size 1",
    .attributes = &SqueezeAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value squeeze(Graph& graph, Value x, Ints axes) {
  return graph.add(ops::squeeze, {x}, SqueezeAttributes{std::move(axes)});
}

}  // namespace fovea
