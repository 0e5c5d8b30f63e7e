// where: y = a where the condition holds, b elsewhere, broadcast three ways. The gradient goes to the side that was
// chosen.
// Source: ONNX Where-16.
#include "fovea/ops/where.h"

#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::boolean, ErrorKind::type, "the condition is {}, expected bool", to_string(in.dtype(0)));
  require(in.dtype(1) == in.dtype(2), ErrorKind::type, "operands are {} and {}", to_string(in.dtype(1)),
          to_string(in.dtype(2)));
  return Type{in.dtype(1), broadcast(broadcast(in.shape(0), in.shape(1)), in.shape(2))};
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value condition = d.input(0), dy = d.d_output();
  const Value zero = scalar(g, 0, g.dtype(dy));
  std::vector<Value> result(3);
  if (d.wanted[1]) result[1] = sum_to(g, where(g, condition, dy, zero), d.shape(d.input(1)));
  if (d.wanted[2]) result[2] = sum_to(g, where(g, condition, zero, dy), d.shape(d.input(2)));
  return result;
}

// One operand repeated to the whole shape; itself where it has it already.
Tensor whole(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const size_t missing = shape.size() - x.shape().size();
  const auto strides = x.shape().strides();
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < shape.size(); ++k) {
    const bool moves = k >= missing && x.shape()[k - missing] != 1;
    tables.push_back(stepped(shape[k], 0, 1, moves ? strides[k - missing] : 0));
  }
  Tensor result(x.dtype(), shape);
  move_elements(x, result, tables);
  return result;
}

void reference(const Call& call) {
  const Shape& shape = call.outputs[0].shape();
  const Tensor condition = whole(call.inputs[0], shape), a = whole(call.inputs[1], shape),
               b = whole(call.inputs[2], shape);
  dispatch(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto yes = a.data<T>(), no = b.data<T>();
    const auto chosen = condition.data<bool>();
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < y.size(); ++i) y[i] = chosen[i] ? yes[i] : no[i];
  });
}

std::vector<Case> cases() {
  auto one = [](std::string name, DType dtype, Shape c, Shape a, Shape b) {
    return Case{
        .name = std::move(name),
        .inputs = {{.type = {DType::boolean, c}, .value = Tensor::full(DType::boolean, c, 0), .differentiate = false},
                   {.type = {dtype, std::move(a)}},
                   {.type = {dtype, std::move(b)}}},
        .gradient = dtype == DType::f32};
  };
  std::vector<Case> result = {one("same", DType::f32, {2, 3, 5}, {2, 3, 5}, {2, 3, 5}),
                              one("three_way", DType::f32, {3, 1}, {2, 1, 5}, {1}),
                              one("scalars", DType::f32, {2, 3}, {}, {}), one("i64", DType::i64, {7}, {7}, {1})};
  for (Case& c : result)
    for (int64_t i = 0; i < c.inputs[0].value->count(); i += 2 + i % 3) c.inputs[0].value->set(i, 1);
  return result;
}

}  // namespace

namespace ops {
const Op where = {
    .name = "where",
    .doc = "a where the condition holds, b elsewhere",
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value where(Graph& graph, Value condition, Value a, Value b) { return graph.add(ops::where, {condition, a, b}); }

}  // namespace fovea
