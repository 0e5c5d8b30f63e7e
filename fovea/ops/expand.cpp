// expand: y = x repeated along its axes of size 1, to the broadcast of x's shape and a given one. Its adjoint is
// sum_to.
// Source: ONNX Expand-13.
#include "fovea/ops/expand.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/input.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape to = in.ints(1, "the shape to expand to");
  require(is_sane(to, 1), ErrorKind::shape, "shape {} is negative or too large", to_string(to));
  return Type{in.dtype(0), broadcast(in.shape(0), to)};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {sum_to(d.graph, d.d_output(), d.shape(d.input(0))), {}};
}

void reference(const Call& call) {
  const Tensor& from = call.inputs[0];
  Tensor& to = call.outputs[0];
  dispatch(from.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = from.data<T>().data();
    T* y = to.data<T>().data();
    for_broadcast(to.shape(), from.shape(), {}, [&](int64_t i, int64_t ix, int64_t) { y[i] = x[ix]; });
  });
}

std::vector<Case> cases() {
  auto one = [](std::string name, DType dtype, Shape x, std::vector<int64_t> to) {
    const Type type{DType::i64, {static_cast<int64_t>(to.size())}};
    return Case{
        .name = std::move(name),
        .inputs = {{.type = {dtype, std::move(x)}}, {.type = type, .value = Tensor::ints(to), .differentiate = false}},
        .gradient = dtype == DType::f32};
  };
  return {one("rows", DType::f32, {3, 1}, {3, 4}),       one("in_front", DType::f32, {3, 5}, {2, 1, 1}),
          one("two_way", DType::f32, {3, 1}, {2, 1, 6}), one("scalar", DType::f32, {}, {2, 3}),
          one("same", DType::f32, {2, 3}, {2, 3}),       one("i64", DType::i64, {1, 3}, {5, 1})};
}

Cost cost(const Node&, std::span<const Type>) { return {}; }

}  // namespace

namespace ops {
const Op expand = {.name = "expand",
                   .doc = "x repeated along its axes of size 1",
                   .infer = infer,
                   .gradient = differentiate,
                   .reference = reference,
                   .cases = cases,
                   .cost = cost,
                   .zero_in_zero_out = 1};
}

Value expand(Graph& graph, Value x, Value shape) { return graph.add(ops::expand, {x, shape}); }

Value expand(Graph& graph, Value x, const Shape& shape) {
  if (graph.shape(x) == shape) return x;
  return expand(graph, x, ints(graph, shape));
}

}  // namespace fovea
