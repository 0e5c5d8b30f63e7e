// pow: z = x^y, broadcast. x and y may be of different types; z has x's. Two integers give the exact integer, wrapped
// around; a negative exponent of an integer truncates (0 for |x| > 1). Mixed ones are computed in double and truncated.
// dz/dx = y x^(y-1); dz/dy = z ln x where x > 0, 0 elsewhere. Source: ONNX Pow-15.
#include "fovea/ops/pow.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/log.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sum_to.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) != DType::boolean && in.dtype(1) != DType::boolean, ErrorKind::type,
          "expected numbers, got {} and {}", to_string(in.dtype(0)), to_string(in.dtype(1)));
  return Type{in.dtype(0), broadcast(in.shape(0), in.shape(1))};
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0), dz = d.d_output();
  const DType type = g.dtype(x);
  const Value y = cast(g, d.input(1), type);
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, mul(g, dz, mul(g, y, pow(g, x, shift(g, y, -1)))), d.shape(x));
  if (d.wanted[1]) {
    const Value positive = greater(g, x, scalar(g, 0, type));
    const Value logarithm = log(g, where(g, positive, x, scalar(g, 1, type)));
    const Value dy = sum_to(g, mul(g, mul(g, dz, d.outputs[0]), logarithm), d.shape(d.input(1)));
    result[1] = cast(g, dy, g.dtype(d.input(1)));
  }
  return result;
}

template <class T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == T(1)) return T(1);
    if constexpr (std::is_signed_v<T>)
      if (base == T(-1)) return exponent % 2 == 0 ? T(1) : T(-1);
    return T(0);
  }
  T result = T(1);
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base);
    base = multiply(base, base);
  }
  return result;
}

void reference(const Call& call) {
  const Tensor &base = call.inputs[0], &exponent = call.inputs[1];
  Tensor& to = call.outputs[0];
  if (!is_float(base.dtype()) && !is_float(exponent.dtype())) {
    const Tensor wide = exponent.cast(DType::i64);
    dispatch(base.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        const T* x = base.data<T>().data();
        const int64_t* y = wide.data<int64_t>().data();
        T* z = to.data<T>().data();
        for_broadcast(to.shape(), base.shape(), wide.shape(),
                      [&](int64_t i, int64_t ix, int64_t iy) { z[i] = integer_power(x[ix], y[iy]); });
      }
    });
    return;
  }
  const Tensor x_wide = base.cast(DType::f64), y_wide = exponent.cast(DType::f64);
  Tensor result(DType::f64, to.shape());
  const double *x = x_wide.data<double>().data(), *y = y_wide.data<double>().data();
  double* z = result.data<double>().data();
  for_broadcast(to.shape(), base.shape(), exponent.shape(),
                [&](int64_t i, int64_t ix, int64_t iy) { z[i] = std::pow(x[ix], y[iy]); });
  result = result.cast(to.dtype());
  if (result.bytes() > 0) std::memcpy(to.raw(), result.raw(), result.bytes());
}

std::vector<Case> cases() {
  std::vector<Case> result = binary_cases(0.4, 2.5);
  const Case::Input x{.type = {DType::f32, {2, 3, 5}}, .low = -2, .high = 2, .kink = 0};
  const Case::Input integers{.type = {DType::i64, {2, 3, 5}}, .low = -4, .high = 4};
  const Case::Input two{.type = {DType::i64, {}}, .value = Tensor::scalar<int64_t>(2), .differentiate = false};
  const Case::Input three{.type = {DType::f32, {}}, .value = Tensor::scalar(3.0F), .differentiate = false};
  result.push_back({.name = "square", .inputs = {x, two}});
  result.push_back({.name = "cube", .inputs = {x, three}});
  result.push_back({.name = "i64", .inputs = {integers, two}, .gradient = false});
  result.push_back({.name = "i64_f32", .inputs = {integers, three}, .gradient = false});
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 30 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op pow = {
    .name = "pow",
    .doc = "base to the power of exponent",
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
};
}

Value pow(Graph& graph, Value base, Value exponent) { return graph.add(ops::pow, {base, exponent}); }
Value pow(Graph& graph, Value base, double exponent) {
  return pow(graph, base, scalar(graph, exponent, graph.dtype(base)));
}

}  // namespace fovea
