// reverse: y[p] = x[n - 1 - p] along the axes named; its own adjoint. Source: numpy.flip.
#include "fovea/ops/reverse.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  for (const int64_t axis : in.as<ReverseAttributes>().axes) normal_axis(axis, in.shape(0).rank(), "reverse");
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {reverse(d.graph, d.d_output(), d.as<ReverseAttributes>().axes)};
}

void reference(const Call& call) {
  const Shape& shape = call.outputs[0].shape();
  const auto strides = shape.strides();
  std::vector<bool> backwards(shape.size(), false);
  for (const int64_t axis : call.as<ReverseAttributes>().axes)
    backwards[static_cast<size_t>(normal_axis(axis, shape.rank(), "reverse"))] = true;
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < shape.size(); ++k)
    tables.push_back(stepped(shape[k], backwards[k] ? shape[k] - 1 : 0, backwards[k] ? -1 : 1, strides[k]));
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 4, 5}}};
  return {{.name = "kernel", .inputs = {x}, .attributes = ReverseAttributes{{2, 3}}},
          {.name = "last", .inputs = {x}, .attributes = ReverseAttributes{-1}},
          {.name = "none", .inputs = {x}, .attributes = ReverseAttributes{}}};
}

}  // namespace

namespace ops {
const Op reverse = {
    .name = "reverse",
    .doc = "x backwards along axes",
    .attributes = &ReverseAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value reverse(Graph& graph, Value x, Ints axes) {
  return graph.add(ops::reverse, {x}, ReverseAttributes{std::move(axes)});
}

}  // namespace fovea
