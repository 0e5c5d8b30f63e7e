// gather_elements:       y[p] = x[p with indices[p] on the axis]
// scatter_elements_add:  y[q] = Σ_{p: p with indices[p] on the axis = q} d[p], its adjoint; summed in double and in
// order.
// Source: ONNX GatherElements-13, ScatterElements-18 (reduction add).
#include "fovea/ops/gather_elements.h"

#include "fovea/ops/indices.h"
#include "fovea/ops/movement.h"

namespace fovea {

namespace {

// `whole` is the indexed tensor's shape, `some` the indices'.
size_t check(const Inference& in, const Shape& whole, const Shape& some, int64_t named_axis) {
  const auto axis = static_cast<size_t>(normal_axis(named_axis, whole.rank(), "gather_elements"));
  bool fits = whole.size() == some.size();
  for (size_t k = 0; fits && k < whole.size(); ++k) fits = k == axis || some[k] <= whole[k];
  require(fits, ErrorKind::shape, "indices {} do not fit into {} along axis {}", to_string(some), to_string(whole),
          axis);
  check_indices(in, 1, whole[axis]);
  return axis;
}

// Calls f(position in `some`, position in `whole`).
template <class F>
void for_each_element(const Tensor& indices, const Shape& whole, int64_t named_axis, F f) {
  const auto axis = static_cast<size_t>(normal_axis(named_axis, whole.rank(), "gather_elements"));
  const auto at = normal_indices(indices, whole[axis]);
  const auto strides = whole.strides();
  const Shape& some = indices.shape();
  std::vector<int64_t> position(some.size(), 0);
  for (size_t i = 0; i < at.size(); ++i) {
    int64_t target = at[i] * strides[axis];
    for (size_t k = 0; k < position.size(); ++k)
      if (k != axis) target += position[k] * strides[k];
    f(i, static_cast<size_t>(target));
    for (size_t k = position.size(); k-- > 0;) {
      if (++position[k] < some[k]) break;
      position[k] = 0;
    }
  }
}

Inferred infer_gather(const Inference& in) {
  check(in, in.shape(0), in.shape(1), in.as<GatherElementsAttributes>().axis);
  return Type{in.dtype(0), in.shape(1)};
}

std::vector<Value> differentiate_gather(const Differentiation& d) {
  const Shape& shape = d.shape(d.input(0));
  const ScatterElementsAddAttributes a{d.as<GatherElementsAttributes>().axis, Ints(shape.begin(), shape.end())};
  return {scatter_elements_add(d.graph, d.d_output(), d.input(1), a), {}};
}

void reference_gather(const Call& call) {
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    for_each_element(call.inputs[1], call.inputs[0].shape(), call.as<GatherElementsAttributes>().axis,
                     [&](size_t i, size_t from) { y[i] = x[from]; });
  });
}

Inferred infer_scatter(const Inference& in) {
  const auto& a = in.as<ScatterElementsAddAttributes>();
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "cannot add bool");
  require(in.shape(0) == in.shape(1), ErrorKind::shape, "gradient is {}, indices are {}", to_string(in.shape(0)),
          to_string(in.shape(1)));
  check(in, a.shape, in.shape(1), a.axis);
  return Type{in.dtype(0), a.shape};
}

std::vector<Value> differentiate_scatter(const Differentiation& d) {
  return {gather_elements(d.graph, d.d_output(), d.input(1), d.as<ScatterElementsAddAttributes>().axis), {}};
}

void reference_scatter(const Call& call) {
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Sum = std::conditional_t<is_float(dtype_of<T>()), double, uint64_t>;  // integers wrap around
    const auto d = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    std::vector<Sum> sum(y.size(), Sum(0));
    for_each_element(call.inputs[1], call.outputs[0].shape(), call.as<ScatterElementsAddAttributes>().axis,
                     [&](size_t i, size_t to) { sum[to] += static_cast<Sum>(static_cast<Compute<T>>(d[i])); });
    for (size_t i = 0; i < y.size(); ++i) y[i] = T(static_cast<Compute<T>>(sum[i]));
  });
}

std::vector<Case> cases(bool gather) {
  std::vector<Case> result;
  for (const int64_t axis : {0, 1, -1}) {
    const Tensor indices = Tensor::of<int64_t>({2, 3, 2}, {0, 1, -1, 1, 0, 0, 1, -2, 1, 0, 1, 1});
    const Case::Input at{.type = {DType::i64, indices.shape()}, .value = indices, .differentiate = false};
    if (gather)
      result.push_back({.name = "odd",
                        .inputs = {{.type = {DType::f32, {3, 4, 5}}}, at},
                        .attributes = GatherElementsAttributes{axis}});
    else
      result.push_back({.name = "odd",
                        .inputs = {{.type = {DType::f32, {2, 3, 2}}}, at},
                        .attributes = ScatterElementsAddAttributes{axis, {3, 4, 5}}});
  }
  return result;
}
std::vector<Case> gather_cases() { return cases(true); }
std::vector<Case> scatter_cases() { return cases(false); }

Cost scatter_cost(const Node&, std::span<const Type> in) { return {.flops = static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op gather_elements = {
    .name = "gather_elements",
    .doc = "elements of x taken at indices along an axis",
    .attributes = &GatherElementsAttributes::info,
    .infer = infer_gather,
    .gradient = differentiate_gather,
    .reference = reference_gather,
    .cases = gather_cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
const Op scatter_elements_add = {
    .name = "scatter_elements_add",
    .doc = "the adjoint of gather_elements: elements added up at indices",
    .attributes = &ScatterElementsAddAttributes::info,
    .infer = infer_scatter,
    .gradient = differentiate_scatter,
    .reference = reference_scatter,
    .cases = scatter_cases,
    .cost = scatter_cost,
    .zero_in_zero_out = 1,
};
}  // namespace ops

Value gather_elements(Graph& graph, Value x, Value indices, int64_t axis) {
  return graph.add(ops::gather_elements, {x, indices}, GatherElementsAttributes{axis});
}
Value scatter_elements_add(Graph& graph, Value d, Value indices, ScatterElementsAddAttributes attributes) {
  return graph.add(ops::scatter_elements_add, {d, indices}, std::move(attributes));
}

}  // namespace fovea
