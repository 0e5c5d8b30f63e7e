// concat: the inputs one after the other along an axis. The gradient is cut apart again. Source: ONNX Concat-13.
#include "fovea/ops/concat.h"

#include "fovea/ops/movement.h"
#include "fovea/ops/slice.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.count() >= 1, ErrorKind::shape, "nothing to put together");
  Shape to = in.shape(0);
  const auto axis = static_cast<size_t>(normal_axis(in.as<ConcatAttributes>().axis, to.rank(), "concat"));
  for (size_t i = 1; i < in.count(); ++i) {
    const Shape& next = in.shape(i);
    bool fits = next.size() == to.size();
    for (size_t k = 0; fits && k < to.size(); ++k) fits = k == axis || next[k] == to[k];
    require(fits, ErrorKind::shape, "input {} is {}, input 0 is {}: they may differ along axis {} only", i,
            to_string(next), to_string(in.shape(0)), axis);
    require(in.dtype(i) == in.dtype(0), ErrorKind::type, "input {} is {}, input 0 is {}", i, to_string(in.dtype(i)),
            to_string(in.dtype(0)));
    to[axis] += next[axis];
  }
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const int64_t axis = normal_axis(d.as<ConcatAttributes>().axis, d.shape(d.d_output()).rank(), "concat");
  std::vector<Value> result(d.node.inputs.size());
  int64_t start = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t end = start + d.shape(d.input(i))[static_cast<size_t>(axis)];
    if (d.wanted[i]) result[i] = slice(d.graph, d.d_output(), axis, start, end);
    start = end;
  }
  return result;
}

void reference(const Call& call) {
  const Shape& shape = call.outputs[0].shape();
  const int64_t axis = normal_axis(call.as<ConcatAttributes>().axis, shape.rank(), "concat");
  const int64_t outer = shape.count(0, axis);
  const size_t row = outer == 0 ? 0 : call.outputs[0].bytes() / static_cast<size_t>(outer);
  std::byte* to = call.outputs[0].raw();
  size_t start = 0;
  for (const Tensor& from : call.inputs) {
    const size_t width = outer == 0 ? 0 : from.bytes() / static_cast<size_t>(outer);
    for (size_t i = 0; width > 0 && i < static_cast<size_t>(outer); ++i)
      std::memcpy(to + i * row + start, from.raw() + i * width, width);
    start += width;
  }
}

std::vector<Case> cases() {
  auto one = [](std::string name, int64_t axis, std::vector<Shape> shapes, DType dtype = DType::f32) {
    Case result{
        .name = std::move(name), .inputs = {}, .attributes = ConcatAttributes{axis}, .gradient = dtype == DType::f32};
    for (Shape& shape : shapes) result.inputs.push_back({.type = {dtype, std::move(shape)}});
    return result;
  };
  return {one("channels", 1, {{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 5, 4, 5}}),
          one("last", -1, {{2, 3}, {2, 4}}),
          one("batch", 0, {{1, 3}, {4, 3}}),
          one("alone", 0, {{3, 5}}),
          one("empty", 0, {{3, 5}, {0, 5}, {1, 5}}),
          one("i64", 0, {{1}, {3}}, DType::i64)};
}

}  // namespace

namespace ops {
const Op concat = {
    .name = "concat",
    .doc = "the inputs one after the other along an axis",
    .attributes = &ConcatAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value concat(Graph& graph, std::vector<Value> inputs, int64_t axis) {
  return graph.add(ops::concat, std::move(inputs), ConcatAttributes{axis});
}

}  // namespace fovea
