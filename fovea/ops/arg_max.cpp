// arg_max, arg_min: the index along one axis of the largest (smallest) element; of equal ones the first, or the last
// with select_last. NaN counts as the extreme, as in numpy.
// Source: ONNX ArgMax-13, ArgMin-13.
#include "fovea/ops/arg_max.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<ArgMaxAttributes>();
  Shape shape = in.shape(0);
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "cannot order bool");
  const size_t axis = static_cast<size_t>(normal_axis(a.axis, shape.rank(), "arg_max"));
  require(shape[axis] > 0, ErrorKind::shape, "axis {} of {} is empty", axis, to_string(shape));
  if (a.keep) shape[axis] = 1;
  else shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return Type{DType::i64, shape};
}

template <bool kLargest>
void reference(const Call& call) {
  const auto& a = call.as<ArgMaxAttributes>();
  const Shape& shape = call.inputs[0].shape();
  const int64_t axis = normal_axis(a.axis, shape.rank(), "arg_max");
  const int64_t size = shape[static_cast<size_t>(axis)], inner = shape.count(axis + 1, shape.rank());
  const auto y = call.outputs[0].data<int64_t>();
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const T* x = call.inputs[0].data<T>().data();
    for (size_t line = 0; line < y.size(); ++line) {
      const int64_t start = static_cast<int64_t>(line) / inner * size * inner + static_cast<int64_t>(line) % inner;
      int64_t best = 0;
      for (int64_t i = 1; i < size; ++i) {
        const C v = static_cast<C>(x[start + i * inner]), b = static_cast<C>(x[start + best * inner]);
        const bool v_nan = v != v, b_nan = b != b;
        const bool better = v_nan || b_nan ? v_nan && !b_nan : kLargest ? v > b : v < b;
        const bool equal = v_nan && b_nan ? true : v == b;
        if (better || (equal && a.select_last)) best = i;
      }
      y[line] = best;
    }
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {3, 5, 4}}, .distinct = true};
  const Case::Input ties{.type = {DType::f32, {2, 4}}, .value = Tensor::of<float>({2, 4}, {1, 3, 3, 0, 0, 0, -1, -1})};
  std::vector<Case> result;
  for (const int64_t axis : {0, 1, -1})
    for (const bool keep : {false, true})
      result.push_back({.name = fmt::format("axis{}_{}", axis < 0 ? 2 : axis, keep ? "keep" : "drop"),
                        .inputs = {x},
                        .attributes = ArgMaxAttributes{axis, keep, false}});
  result.push_back({.name = "first", .inputs = {ties}, .attributes = ArgMaxAttributes{1, true, false}});
  result.push_back({.name = "last", .inputs = {ties}, .attributes = ArgMaxAttributes{1, true, true}});
  return result;
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op arg_max = {.name = "arg_max",
                    .doc = "where the largest element along an axis is",
                    .attributes = &ArgMaxAttributes::info,
                    .infer = infer,
                    .no_gradient = "an index is no number",
                    .reference = reference<true>,
                    .cases = cases,
                    .cost = cost};
const Op arg_min = {.name = "arg_min",
                    .doc = "where the smallest element along an axis is",
                    .attributes = &ArgMaxAttributes::info,
                    .infer = infer,
                    .no_gradient = "an index is no number",
                    .reference = reference<false>,
                    .cases = cases,
                    .cost = cost};
}  // namespace ops

Value arg_max(Graph& graph, Value x, ArgMaxAttributes attributes) { return graph.add(ops::arg_max, {x}, attributes); }
Value arg_min(Graph& graph, Value x, ArgMaxAttributes attributes) { return graph.add(ops::arg_min, {x}, attributes); }

}  // namespace fovea
