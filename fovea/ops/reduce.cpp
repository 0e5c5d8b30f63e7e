// reduce: sum, mean, max, min or product over axes. Over nothing (an empty axis): 0, NaN, -inf, +inf, 1.
// The gradient of max and min goes to the extreme elements, divided evenly among ties (as in JAX); of prod, d * y / x.
// Source: ONNX ReduceSum-13 and its siblings.
#include "fovea/ops/reduce.h"

#include <limits>

#include "fovea/ops/div.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce_extreme_gradient.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

std::vector<bool> reduced_axes(const Ints& axes, int64_t rank) {
  std::vector<bool> reduced(static_cast<size_t>(rank), axes.empty());
  for (const int64_t axis : axes) reduced[static_cast<size_t>(normal_axis(axis, rank, "reduce"))] = true;
  return reduced;
}

Shape kept_shape(const Shape& shape, const Ints& axes) {
  Shape kept = shape;
  const auto reduced = reduced_axes(axes, shape.rank());
  for (size_t k = 0; k < kept.size(); ++k)
    if (reduced[k]) kept[k] = 1;
  return kept;
}

Inferred infer(const Inference& in) {
  const auto& a = in.as<ReduceAttributes>();
  require(a.kind == "sum" || a.kind == "mean" || a.kind == "max" || a.kind == "min" || a.kind == "prod",
          ErrorKind::usage, "unknown reduction '{}'", a.kind);
  require(in.dtype(0) != DType::boolean || a.kind == "max" || a.kind == "min", ErrorKind::type,
          "cannot take the {} of bool", a.kind);
  const auto reduced = reduced_axes(a.axes, in.shape(0).rank());
  Shape shape;
  for (size_t k = 0; k < reduced.size(); ++k)
    if (!reduced[k]) shape.push_back(in.shape(0)[k]);
    else if (a.keep) shape.push_back(1);
  return Type{in.dtype(0), shape};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<ReduceAttributes>();
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Shape shape = g.shape(x);
  const Shape kept = kept_shape(shape, a.axes);
  const Value dy = reshape(g, d.d_output(), kept);
  if (a.kind == "sum") return {expand(g, dy, shape)};
  if (a.kind == "mean") {
    const double count = static_cast<double>(shape.count()) / static_cast<double>(std::max<int64_t>(kept.count(), 1));
    return {expand(g, mul(g, dy, scalar(g, 1 / count, g.dtype(x))), shape)};
  }
  const Value y = reshape(g, d.outputs[0], kept);
  if (a.kind == "prod") return {div(g, mul(g, dy, y), x)};
  return {reduce_extreme_gradient(g, dy, x, y)};
}

template <class T>
void reduce_all(const Call& call) {
  using C = Compute<T>;
  // A vector<bool> has no elements to refer to.
  using Whole = std::conditional_t<std::is_same_v<C, bool>, uint8_t, C>;
  using Sum = std::conditional_t<is_float(dtype_of<T>()), double, Whole>;
  const auto& a = call.as<ReduceAttributes>();
  const Shape& shape = call.inputs[0].shape();
  const Shape kept = kept_shape(shape, a.axes);
  const auto x = call.inputs[0].data<T>();
  const auto y = call.outputs[0].data<T>();
  const bool maximum = a.kind == "max", minimum = a.kind == "min", product = a.kind == "prod";
  Sum start = product ? Sum(1) : Sum(0);
  if constexpr (is_float(dtype_of<T>())) {
    if (maximum) start = -std::numeric_limits<double>::infinity();
    if (minimum) start = std::numeric_limits<double>::infinity();
  } else {
    if (maximum) start = std::numeric_limits<C>::lowest();
    if (minimum) start = std::numeric_limits<C>::max();
  }
  std::vector<Sum> total(y.size(), start);
  std::vector<int64_t> step(shape.size(), 0), position(shape.size(), 0);
  const auto strides = kept.strides();
  for (size_t k = 0; k < shape.size(); ++k)
    if (kept[k] == shape[k] && kept[k] != 1) step[k] = strides[k];
  int64_t at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    Sum& t = total[static_cast<size_t>(at)];
    const Sum v = static_cast<Sum>(static_cast<C>(x[i]));
    if (maximum) t = v > t || v != v ? v : t;
    else if (minimum) t = v < t || v != v ? v : t;
    else if (product) t = static_cast<Sum>(t * v);
    else t = static_cast<Sum>(t + v);
    for (size_t k = shape.size(); k-- > 0;) {
      at += step[k];
      if (++position[k] < shape[k]) break;
      at -= step[k] * shape[k];
      position[k] = 0;
    }
  }
  const double count = static_cast<double>(shape.count()) / static_cast<double>(std::max<int64_t>(kept.count(), 1));
  for (size_t i = 0; i < y.size(); ++i) {
    if (a.kind == "mean") y[i] = T(static_cast<C>(static_cast<double>(total[i]) / count));
    else y[i] = T(static_cast<C>(total[i]));
  }
}

void reference(const Call& call) {
  dispatch(call.inputs[0].dtype(), [&](auto tag) { reduce_all<typename decltype(tag)::type>(call); });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const std::string kind : {"sum", "mean", "max", "min", "prod"})
    for (const Ints& axes : {Ints{}, Ints{-1}, Ints{0, 2}, Ints{2, 3}}) {
      Case::Input x{.type = {DType::f32, {2, 3, 5, 4}}, .distinct = kind == "max" || kind == "min"};
      if (kind == "prod") x.low = 0.5, x.high = 1.5;
      result.push_back({.name = fmt::format("{}_{}", kind, axes.size()),
                        .inputs = {x},
                        .attributes = ReduceAttributes{kind, axes, axes.size() == 1}});
    }
  return result;
}

Cost cost(const Node&, std::span<const Type> inputs) { return {.flops = static_cast<double>(inputs[0].shape.count())}; }

}  // namespace

namespace ops {
const Op reduce = {.name = "reduce",
                   .doc = "sum, mean, max, min or product over axes",
                   .attributes = &ReduceAttributes::info,
                   .infer = infer,
                   .gradient = differentiate,
                   .reference = reference,
                   .cases = cases,
                   .cost = cost};
}

Value reduce(Graph& graph, Value x, ReduceAttributes attributes) {
  return graph.add(ops::reduce, {x}, std::move(attributes));
}

}  // namespace fovea
