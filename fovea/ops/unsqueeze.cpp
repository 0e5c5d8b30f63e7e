// unsqueeze: x with axes of size 1 added at the positions named, counted in the result. Source: ONNX Unsqueeze-13.
#include "fovea/ops/unsqueeze.h"

#include "fovea/ops/movement.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Ints& axes = in.as<UnsqueezeAttributes>().axes;
  const size_t rank = in.shape(0).size() + axes.size();
  std::vector<bool> added(rank, false);
  for (const int64_t named : axes) {
    const auto axis = static_cast<size_t>(normal_axis(named, static_cast<int64_t>(rank), "unsqueeze"));
    require(!added[axis], ErrorKind::shape, "axis {} is named twice in {}", named, to_string(axes));
    added[axis] = true;
  }
  Shape to;
  auto next = in.shape(0).begin();
  for (size_t k = 0; k < rank; ++k) to.push_back(added[k] ? 1 : *next++);
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {reshape(d.graph, d.d_output(), d.shape(d.input(0)))};
}

void reference(const Call& call) {
  if (call.inputs[0].bytes() > 0) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {3, 5}}};
  return {{.name = "front", .inputs = {x}, .attributes = UnsqueezeAttributes{0}},
          {.name = "unsorted", .inputs = {x}, .attributes = UnsqueezeAttributes{{4, 0, 2}}},
          {.name = "last", .inputs = {x}, .attributes = UnsqueezeAttributes{-1}},
          {.name = "scalar", .inputs = {{.type = {DType::f32, {}}}}, .attributes = UnsqueezeAttributes{0}}};
}

}  // namespace

namespace ops {
const Op unsqueeze = {
    .name = "unsqueeze",
    .doc = "x with axes of size 1 added",
    .attributes = &UnsqueezeAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value unsqueeze(Graph& graph, Value x, Ints axes) {
  return graph.add(ops::unsqueeze, {x}, UnsqueezeAttributes{std::move(axes)});
}

}  // namespace fovea
