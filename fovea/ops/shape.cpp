// shape: the sizes of x's axes [start, end), negative ones from the end, both clamped. Known at build time: where shape
// arithmetic begins.
// Source: ONNX Shape-15.
#include "fovea/ops/shape.h"

#include <algorithm>

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

std::vector<int64_t> sizes(const Shape& shape, const ShapeAttributes& a) {
  const int64_t rank = shape.rank();
  const auto clamped = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t start = clamped(a.start), end = std::max(start, clamped(a.end));
  return {shape.begin() + start, shape.begin() + end};
}

Inferred infer(const Inference& in) {
  const auto result = sizes(in.shape(0), in.as<ShapeAttributes>());
  Inferred inferred(Type{DType::i64, {static_cast<int64_t>(result.size())}});
  inferred.known = {Tensor::ints(result)};
  return inferred;
}

void reference(const Call& call) {
  const auto result = sizes(call.inputs[0].shape(), call.as<ShapeAttributes>());
  std::copy(result.begin(), result.end(), call.outputs[0].data<int64_t>().begin());
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const ShapeAttributes& a : std::vector<ShapeAttributes>{
           {}, {.start = 1, .end = -1}, {.start = -2}, {.start = -9, .end = 9}, {.start = 3, .end = 1}})
    result.push_back({.name = "odd", .inputs = {{.type = {DType::f32, {2, 3, 5, 7}}}}, .attributes = a});
  result.push_back({.name = "scalar", .inputs = {{.type = {DType::f32, {}}}}, .attributes = ShapeAttributes{}});
  return result;
}

}  // namespace

namespace ops {
const Op shape = {
    .name = "shape",
    .doc = "the sizes of x's axes",
    .attributes = &ShapeAttributes::info,
    .infer = infer,
    .no_gradient = "sizes do not depend on the elements",
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value shape(Graph& graph, Value x, ShapeAttributes attributes) { return graph.add(ops::shape, {x}, attributes); }

}  // namespace fovea
