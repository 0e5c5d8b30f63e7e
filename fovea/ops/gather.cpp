// gather: y[o, i, r] = x[o, indices[i], r], o standing for the axes before the one gathered, r for those after it, i
// for all of the indices'. Its adjoint is scatter_add. Source: ONNX Gather-13.
#include "fovea/ops/gather.h"

#include "fovea/ops/indices.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/scatter_add.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape& from = in.shape(0);
  const int64_t axis = normal_axis(in.as<GatherAttributes>().axis, from.rank(), "gather");
  check_indices(in, 1, from[static_cast<size_t>(axis)]);
  Shape to(from.begin(), from.begin() + axis);
  to.insert(to.end(), in.shape(1).begin(), in.shape(1).end());
  to.insert(to.end(), from.begin() + axis + 1, from.end());
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape& from = d.shape(d.input(0));
  const int64_t axis = normal_axis(d.as<GatherAttributes>().axis, from.rank(), "gather");
  return {scatter_add(d.graph, d.d_output(), d.input(1), {.axis = axis, .size = from[static_cast<size_t>(axis)]}), {}};
}

void reference(const Call& call) {
  const Shape& from = call.inputs[0].shape();
  const int64_t axis = normal_axis(call.as<GatherAttributes>().axis, from.rank(), "gather");
  const int64_t size = from[static_cast<size_t>(axis)], inner = from.count(axis + 1, from.rank());
  AxisTable positions = normal_indices(call.inputs[1], size);
  for (int64_t& position : positions) position *= inner;
  const AxisTable tables[] = {stepped(from.count(0, axis), 0, 1, size * inner), positions, stepped(inner, 0, 1, 1)};
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {3, 5, 4}}};
  auto at = [](const Tensor& indices) {
    return Case::Input{.type = {indices.dtype(), indices.shape()}, .value = indices, .differentiate = false};
  };
  return {{.name = "rows", .inputs = {x, at(Tensor::ints({2, 0, -1, 2}))}, .attributes = GatherAttributes{0}},
          {.name = "matrix",
           .inputs = {x, at(Tensor::of<int32_t>({2, 3}, {4, 0, -5, 1, 1, 2}))},
           .attributes = GatherAttributes{1}},
          {.name = "last", .inputs = {x, at(Tensor::ints({3, -1}))}, .attributes = GatherAttributes{-1}},
          {.name = "one", .inputs = {x, at(Tensor::scalar<int64_t>(-2))}, .attributes = GatherAttributes{1}},
          {.name = "none", .inputs = {x, at(Tensor::ints({}))}, .attributes = GatherAttributes{0}},
          {.name = "run_time",
           .inputs = {x, {.type = {DType::i64, {4}}, .low = -2.9, .high = 2.9}},
           .attributes = GatherAttributes{0}}};
}

}  // namespace

namespace ops {
const Op gather = {
    .name = "gather",
    .doc = "x taken at indices along an axis",
    .attributes = &GatherAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value gather(Graph& graph, Value x, Value indices, int64_t axis) {
  return graph.add(ops::gather, {x, indices}, GatherAttributes{axis});
}

}  // namespace fovea
