// cumsum: y[p] = Σ_{q ≤ p} x[q] along an axis; q < p when exclusive; from the end when reversed. Floating point is
// summed in double. Its adjoint is the same sum from the other end. Source: ONNX CumSum-14.
#include "fovea/ops/cumsum.h"

#include "fovea/ops/arithmetic.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  normal_axis(in.as<CumsumAttributes>().axis, in.shape(0).rank(), "cumsum");
  return infer_number(in);
}

std::vector<Value> differentiate(const Differentiation& d) {
  CumsumAttributes a = d.as<CumsumAttributes>();
  a.reverse = !a.reverse;
  return {cumsum(d.graph, d.d_output(), a)};
}

void reference(const Call& call) {
  const auto& a = call.as<CumsumAttributes>();
  const Shape& shape = call.inputs[0].shape();
  const int64_t axis = normal_axis(a.axis, shape.rank(), "cumsum");
  const int64_t size = shape[static_cast<size_t>(axis)], inner = shape.count(axis + 1, shape.rank()),
                lines = size == 0 ? 0 : shape.count() / size;
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Sum = std::conditional_t<is_float(dtype_of<T>()), double, uint64_t>;  // integers wrap around
    const auto x = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (int64_t line = 0; line < lines; ++line) {
      const int64_t start = line / inner * size * inner + line % inner;
      Sum sum = 0;
      for (int64_t k = 0; k < size; ++k) {
        const auto at = static_cast<size_t>(start + (a.reverse ? size - 1 - k : k) * inner);
        const Sum before = sum;
        sum += static_cast<Sum>(static_cast<Compute<T>>(x[at]));
        y[at] = T(static_cast<Compute<T>>(a.exclusive ? before : sum));
      }
    }
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const int64_t axis : {0, 1, -1})
    for (const bool exclusive : {false, true})
      for (const bool reverse : {false, true})
        result.push_back({.name = "odd",
                          .inputs = {{.type = {DType::f32, {3, 4, 5}}}},
                          .attributes = CumsumAttributes{axis, exclusive, reverse}});
  return result;
}

}  // namespace

namespace ops {
const Op cumsum = {
    .name = "cumsum",
    .doc = "running sums along an axis",
    .attributes = &CumsumAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
};
}

Value cumsum(Graph& graph, Value x, CumsumAttributes attributes) { return graph.add(ops::cumsum, {x}, attributes); }

}  // namespace fovea
