// flatten: x as a matrix, the axes before `axis` being rows, the others columns. Source: ONNX Flatten-13.
#include "fovea/ops/flatten.h"

#include "fovea/ops/movement.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape& from = in.shape(0);
  int64_t axis = in.as<FlattenAttributes>().axis;
  require(axis >= -from.rank() && axis <= from.rank(), ErrorKind::shape, "axis {} is not in {}", axis, to_string(from));
  if (axis < 0) axis += from.rank();
  return Type{in.dtype(0), {from.count(0, axis), from.count(axis, from.rank())}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {reshape(d.graph, d.d_output(), d.shape(d.input(0)))};
}

void reference(const Call& call) {
  if (call.inputs[0].bytes() > 0) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const int64_t axis : {1, 0, 2, 4, -1, -3})
    result.push_back(
        {.name = "odd", .inputs = {{.type = {DType::f32, {2, 3, 4, 5}}}}, .attributes = FlattenAttributes{axis}});
  return result;
}

}  // namespace

namespace ops {
const Op flatten = {
    .name = "flatten",
    .doc = "x as a matrix",
    .attributes = &FlattenAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value flatten(Graph& graph, Value x, int64_t axis) { return graph.add(ops::flatten, {x}, FlattenAttributes{axis}); }

}  // namespace fovea
