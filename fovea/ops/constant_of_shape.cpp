// constant_of_shape: a tensor of a given shape filled with one value. Source: ONNX ConstantOfShape-9.
#include "fovea/ops/constant_of_shape.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Tensor& value = in.as<ConstantOfShapeAttributes>().value;
  require(value.count() <= 1, ErrorKind::shape, "the value must be one number, it is {}", to_string(value.shape()));
  return Type{value.dtype(), Shape(in.ints(0, "the shape"))};
}

void reference(const Call& call) {
  const Tensor& value = call.as<ConstantOfShapeAttributes>().value;
  Tensor& to = call.outputs[0];
  const AxisTable same[] = {stepped(to.count(), 0, 1, 0)};
  const Tensor zero(value.dtype(), {});
  move_elements(value.count() == 1 ? value : zero, to, same);
}

std::vector<Case> cases() {
  return {
      {.name = "default", .inputs = {known_ints({2, 3})}, .attributes = ConstantOfShapeAttributes{}},
      {.name = "i64", .inputs = {known_ints({3})}, .attributes = ConstantOfShapeAttributes{Tensor::ints({7})}},
      {.name = "empty", .inputs = {known_ints({2, 0})}, .attributes = ConstantOfShapeAttributes{Tensor::scalar(1.0F)}},
      {.name = "scalar", .inputs = {known_ints({})}, .attributes = ConstantOfShapeAttributes{Tensor::scalar(1.0F)}}};
}

}  // namespace

namespace ops {
const Op constant_of_shape = {
    .name = "constant_of_shape",
    .doc = "a tensor of a given shape filled with one value",
    .attributes = &ConstantOfShapeAttributes::info,
    .infer = infer,
    .no_gradient = "it is a constant",
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value constant_of_shape(Graph& graph, Value shape, ConstantOfShapeAttributes attributes) {
  return graph.add(ops::constant_of_shape, {shape}, std::move(attributes));
}

}  // namespace fovea
