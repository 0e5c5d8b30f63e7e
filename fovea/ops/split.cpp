// split: x cut along an axis into pieces, of the sizes given or of ceil(size / parts) each, the last taking what is
// left.
// The gradient is the pieces' gradients put together. Source: ONNX Split-18.
#include "fovea/ops/split.h"

#include <algorithm>

#include "fovea/ops/concat.h"
#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Ints piece_sizes(const SplitAttributes& a, int64_t size) {
  if (!a.sizes.empty()) return a.sizes;
  require(a.parts >= 1 && a.parts <= 1 << 20, ErrorKind::usage, "cannot split into {} parts", a.parts);
  Ints sizes;
  const int64_t piece = (size + a.parts - 1) / a.parts;
  for (int64_t i = 0; i < a.parts; ++i) sizes.push_back(std::clamp<int64_t>(size - i * piece, 0, piece));
  return sizes;
}

Inferred infer(const Inference& in) {
  const auto& a = in.as<SplitAttributes>();
  const auto axis = static_cast<size_t>(normal_axis(a.axis, in.shape(0).rank(), "split"));
  const Ints sizes = piece_sizes(a, in.shape(0)[axis]);
  int64_t left = in.shape(0)[axis];
  std::vector<Type> types;
  for (const int64_t size : sizes) {
    require(size >= 0 && size <= left, ErrorKind::shape, "pieces of {} do not make up axis {} of {}", to_string(sizes),
            axis, to_string(in.shape(0)));
    left -= size;
    types.push_back(in.type(0));
    types.back().shape[axis] = size;
  }
  require(left == 0, ErrorKind::shape, "pieces of {} do not make up axis {} of {}", to_string(sizes), axis,
          to_string(in.shape(0)));
  return types;
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  std::vector<Value> pieces;
  for (size_t k = 0; k < d.outputs.size(); ++k) {
    const Type& type = d.node.outputs[k];
    pieces.push_back(d.d_output(k) ? d.d_output(k) : constant(g, Tensor(type.dtype, type.shape)));
  }
  return {concat(g, pieces, d.as<SplitAttributes>().axis)};
}

void reference(const Call& call) {
  const Tensor& from = call.inputs[0];
  const int64_t axis = normal_axis(call.as<SplitAttributes>().axis, from.rank(), "split");
  const int64_t outer = from.shape().count(0, axis);
  const size_t row = outer == 0 ? 0 : from.bytes() / static_cast<size_t>(outer);
  size_t start = 0;
  for (Tensor& to : call.outputs) {
    const size_t width = outer == 0 ? 0 : to.bytes() / static_cast<size_t>(outer);
    std::byte* target = to.raw();
    for (size_t i = 0; width > 0 && i < static_cast<size_t>(outer); ++i)
      std::memcpy(target + i * width, from.raw() + i * row + start, width);
    start += width;
  }
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 7, 3}}};
  return {{.name = "sizes", .inputs = {x}, .attributes = SplitAttributes{.axis = 1, .sizes = {2, 4, 1}}},
          {.name = "uneven", .inputs = {x}, .attributes = SplitAttributes{.axis = -2, .parts = 3}},
          {.name = "equal", .inputs = {x}, .attributes = SplitAttributes{.axis = 0, .parts = 2}},
          {.name = "empty", .inputs = {x}, .attributes = SplitAttributes{.axis = 2, .sizes = {0, 3}}}};
}

}  // namespace

namespace ops {
const Op split = {
    .name = "split",
    .doc = "x cut into pieces along an axis",
    .attributes = &SplitAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

std::vector<Value> split(Graph& graph, Value x, SplitAttributes attributes) {
  const Value first = graph.add(ops::split, {x}, std::move(attributes));
  std::vector<Value> pieces;
  for (size_t k = 0; k < graph.node(first).outputs.size(); ++k) pieces.push_back({first.node, static_cast<int>(k)});
  return pieces;
}

}  // namespace fovea
