// scatter_add: y[o, s, r] = Σ_{i: indices[i] = s} d[o, i, r], summed in double and in the order of i. The adjoint of
// gather, and gather is its.
#include "fovea/ops/scatter_add.h"

#include "fovea/ops/gather.h"
#include "fovea/ops/indices.h"
#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<ScatterAddAttributes>();
  const Shape &from = in.shape(0), &indices = in.shape(1);
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "cannot add bool");
  bool fits = a.axis >= 0 && a.size >= 0 && a.axis + indices.rank() <= from.rank();
  for (int64_t k = 0; fits && k < indices.rank(); ++k)
    fits = from[static_cast<size_t>(a.axis + k)] == indices[static_cast<size_t>(k)];
  require(fits, ErrorKind::shape, "indices {} at axis {} do not match {}", to_string(indices), a.axis, to_string(from));
  check_indices(in, 1, a.size);
  Shape to(from.begin(), from.begin() + a.axis);
  to.push_back(a.size);
  to.insert(to.end(), from.begin() + a.axis + indices.rank(), from.end());
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {gather(d.graph, d.d_output(), d.input(1), d.as<ScatterAddAttributes>().axis), {}};
}

void reference(const Call& call) {
  const auto& a = call.as<ScatterAddAttributes>();
  const std::vector<int64_t> at = normal_indices(call.inputs[1], a.size);
  const Shape& to = call.outputs[0].shape();
  const int64_t outer = to.count(0, a.axis), inner = to.count(a.axis + 1, to.rank()), count = call.inputs[1].count();
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Sum = std::conditional_t<is_float(dtype_of<T>()), double, uint64_t>;  // integers wrap around
    const auto d = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    std::vector<Sum> sum(y.size(), Sum(0));
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < count; ++i)
        for (int64_t r = 0; r < inner; ++r)
          sum[static_cast<size_t>((o * a.size + at[static_cast<size_t>(i)]) * inner + r)] +=
              static_cast<Sum>(static_cast<Compute<T>>(d[static_cast<size_t>((o * count + i) * inner + r)]));
    for (size_t i = 0; i < y.size(); ++i) y[i] = T(static_cast<Compute<T>>(sum[i]));
  });
}

std::vector<Case> cases() {
  auto at = [](const Tensor& indices) {
    return Case::Input{.type = {indices.dtype(), indices.shape()}, .value = indices, .differentiate = false};
  };
  return {{.name = "rows",
           .inputs = {{.type = {DType::f32, {4, 5}}}, at(Tensor::ints({2, 0, -1, 2}))},
           .attributes = ScatterAddAttributes{0, 3}},
          {.name = "matrix",
           .inputs = {{.type = {DType::f32, {3, 2, 3, 4}}}, at(Tensor::of<int32_t>({2, 3}, {4, 0, -5, 1, 1, 2}))},
           .attributes = ScatterAddAttributes{1, 5}},
          {.name = "one",
           .inputs = {{.type = {DType::f32, {3, 4}}}, at(Tensor::scalar<int64_t>(1))},
           .attributes = ScatterAddAttributes{1, 2}}};
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op scatter_add = {
    .name = "scatter_add",
    .doc = "the adjoint of gather: slices added up at indices",
    .attributes = &ScatterAddAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
};
}

Value scatter_add(Graph& graph, Value d, Value indices, ScatterAddAttributes attributes) {
  return graph.add(ops::scatter_add, {d, indices}, attributes);
}

}  // namespace fovea
