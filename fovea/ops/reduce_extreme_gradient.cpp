// reduce_extreme_gradient: dx[i] = d[r(i)] / t[r(i)] where x[i] = y[r(i)], else 0, for the place r(i) that element i is
// reduced to and the t elements there that equal the extreme y. Where the extreme is NaN nothing equals it: 0.
// Linear in d, piecewise constant in x and y. Source: the convention of JAX's reduce_max; ops/reduce.cpp.
#include "fovea/ops/reduce_extreme_gradient.h"

#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Type &d = in.type(0), &x = in.type(1), &y = in.type(2);
  require(x.dtype == DType::f32 || x.dtype == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(x.dtype));
  require(d == y, ErrorKind::shape, "gradient is {}, the extreme is {}", to_string(d), to_string(y));
  bool fits = y.dtype == x.dtype && y.shape.size() == x.shape.size();
  for (size_t k = 0; fits && k < x.shape.size(); ++k) fits = y.shape[k] == x.shape[k] || y.shape[k] == 1;
  require(fits, ErrorKind::shape, "the extreme is {}, expected {} with size 1 along the reduced axes", to_string(y),
          to_string(x));
  return x;
}

// With the same shares for every gradient that comes.
std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Shape x = g.shape(d.input(1)), y = g.shape(d.input(2));
  const Value ones = constant(g, Tensor::full(g.dtype(d.input(0)), y, 1.0));
  const Value shares = reduce_extreme_gradient(g, ones, d.input(1), d.input(2));
  Ints axes;
  for (size_t k = 0; k < x.size(); ++k)
    if (y[k] != x[k]) axes.push_back(static_cast<int64_t>(k));
  const Value product = mul(g, d.d_output(), shares);
  return {axes.empty() ? product : reduce(g, product, {.kind = "sum", .axes = axes, .keep = true}), {}, {}};
}

// Calls f(element of x, the one of y that it is reduced to).
template <class F>
void for_each_element(const Shape& x, const Shape& y, const F& f) {
  const auto strides = y.strides();
  std::vector<int64_t> position(x.size(), 0);
  int64_t at = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    f(static_cast<size_t>(i), static_cast<size_t>(at));
    for (size_t k = x.size(); k-- > 0;) {
      const int64_t step = y[k] == 1 ? 0 : strides[k];
      at += step;
      if (++position[k] < x[k]) break;
      at -= step * x[k];
      position[k] = 0;
    }
  }
}

void reference(const Call& call) {
  const Shape &x_shape = call.inputs[1].shape(), &y_shape = call.inputs[2].shape();
  dispatch_float(call.inputs[1].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>(), x = call.inputs[1].data<T>(), y = call.inputs[2].data<T>();
    const auto dx = call.outputs[0].data<T>();
    std::vector<double> ties(y.size(), 0);
    for_each_element(x_shape, y_shape, [&](size_t i, size_t at) { ties[at] += x[i] == y[at]; });
    for_each_element(x_shape, y_shape,
                     [&](size_t i, size_t at) { dx[i] = x[i] == y[at] ? T(double(d[at]) / ties[at]) : T(0); });
  });
}

// x takes three values, so that there are ties; y is its maximum over all axes from `first` on.
Case make_case(std::string name, const Shape& shape, size_t first) {
  Tensor x(DType::f32, shape);
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i * i % 7 % 3) - 1.5);
  Shape kept = shape;
  for (size_t k = first; k < kept.size(); ++k) kept[k] = 1;
  Tensor y = Tensor::full(DType::f32, kept, -10);
  for_each_element(shape, kept, [&](size_t i, size_t at) {
    const auto from = static_cast<int64_t>(i), to = static_cast<int64_t>(at);
    if (x.at(from) > y.at(to)) y.set(to, x.at(from));
  });
  return {.name = std::move(name),
          .inputs = {{.type = {DType::f32, kept}},
                     {.type = {DType::f32, shape}, .value = x, .differentiate = false},
                     {.type = {DType::f32, kept}, .value = y, .differentiate = false}}};
}

std::vector<Case> cases() {
  return {make_case("planes", {2, 3, 5, 4}, 2), make_case("blocks", {2, 32, 3, 3}, 2), make_case("all", {3, 7, 5}, 0),
          make_case("rows", {4, 3, 21}, 2), make_case("nothing", {2, 3, 4}, 3)};
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = 2 * static_cast<double>(in[1].shape.count())}; }

}  // namespace

namespace ops {
const Op reduce_extreme_gradient = {.name = "reduce_extreme_gradient",
                                    .doc = "d where x is the extreme y, divided evenly among ties, else 0",
                                    .infer = infer,
                                    .gradient = differentiate,
                                    .reference = reference,
                                    .cases = cases,
                                    .cost = cost,
                                    .zero_in_zero_out = 1};
}  // namespace ops

Value reduce_extreme_gradient(Graph& graph, Value d, Value x, Value y) {
  return graph.add(ops::reduce_extreme_gradient, {d, x, y});
}

}  // namespace fovea
