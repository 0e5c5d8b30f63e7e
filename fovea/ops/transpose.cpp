// transpose: y's axis k is x's axis permutation[k]. Source: ONNX Transpose-13.
#include "fovea/ops/transpose.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

std::vector<size_t> normal(const Ints& permutation, size_t rank) {
  std::vector<size_t> result;
  for (size_t k = rank; permutation.empty() && k-- > 0;) result.push_back(k);
  for (const int64_t axis : permutation)
    result.push_back(static_cast<size_t>(normal_axis(axis, static_cast<int64_t>(rank), "transpose")));
  return result;
}

Inferred infer(const Inference& in) {
  const Shape& from = in.shape(0);
  const Ints& permutation = in.as<TransposeAttributes>().permutation;
  const auto axes = normal(permutation, from.size());
  std::vector<bool> seen(from.size(), false);
  for (const size_t axis : axes) seen[axis] = true;
  for (const bool s : seen)
    require(s && axes.size() == from.size(), ErrorKind::shape, "{} is no permutation of the axes of {}",
            to_string(permutation), to_string(from));
  Shape to;
  for (const size_t axis : axes) to.push_back(from[axis]);
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto axes = normal(d.as<TransposeAttributes>().permutation, d.shape(d.input(0)).size());
  Ints inverse(std::vector<int64_t>(axes.size()));
  for (size_t k = 0; k < axes.size(); ++k) inverse[axes[k]] = static_cast<int64_t>(k);
  return {transpose(d.graph, d.d_output(), inverse)};
}

void reference(const Call& call) {
  const Shape& from = call.inputs[0].shape();
  const auto strides = from.strides();
  std::vector<AxisTable> tables;
  for (const size_t axis : normal(call.as<TransposeAttributes>().permutation, from.size()))
    tables.push_back(stepped(from[axis], 0, 1, strides[axis]));
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 4, 5}}};
  return {{.name = "reversed", .inputs = {x}, .attributes = TransposeAttributes{}},
          {.name = "channels_last", .inputs = {x}, .attributes = TransposeAttributes{{0, 2, 3, 1}}},
          {.name = "cycle", .inputs = {x}, .attributes = TransposeAttributes{{3, 0, 1, 2}}},
          {.name = "same", .inputs = {x}, .attributes = TransposeAttributes{{0, 1, 2, 3}}},
          {.name = "i64",
           .inputs = {{.type = {DType::i64, {3, 5}}}},
           .attributes = TransposeAttributes{},
           .gradient = false},
          {.name = "scalar", .inputs = {{.type = {DType::f32, {}}}}, .attributes = TransposeAttributes{}}};
}

}  // namespace

namespace ops {
const Op transpose = {
    .name = "transpose",
    .doc = "x with its axes permuted",
    .attributes = &TransposeAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value transpose(Graph& graph, Value x, Ints permutation) {
  return graph.add(ops::transpose, {x}, TransposeAttributes{std::move(permutation)});
}

}  // namespace fovea
