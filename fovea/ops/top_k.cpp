// top_k: the k largest (smallest) elements along one axis, best first, and where they were. Equal elements keep the
// order of their indices; NaN counts as the extreme. The gradient goes back to where each value came from.
// Source: ONNX TopK-11.
#include "fovea/ops/top_k.h"

#include <algorithm>
#include <numeric>

#include "fovea/ops/gather_elements.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<TopKAttributes>();
  Shape shape = in.shape(0);
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "cannot order bool");
  const size_t axis = static_cast<size_t>(normal_axis(a.axis, shape.rank(), "top_k"));
  const auto k = in.ints(1, "k");
  require(k.size() == 1 && k[0] >= 0 && k[0] <= shape[axis], ErrorKind::shape, "k is {}, axis {} of {} has {} elements",
          k.empty() ? -1 : k[0], axis, to_string(shape), shape[axis]);
  shape[axis] = k[0];
  return std::vector<Type>{{in.dtype(0), shape}, {DType::i64, shape}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  if (!d.d_output()) return {};
  const Shape x = d.shape(d.input(0));
  const int64_t axis = normal_axis(d.as<TopKAttributes>().axis, x.rank(), "top_k");
  return {scatter_elements_add(d.graph, d.d_output(), d.outputs[1], {.axis = axis, .shape = Ints(x)}), {}};
}

void reference(const Call& call) {
  const auto& a = call.as<TopKAttributes>();
  const Shape& shape = call.inputs[0].shape();
  const int64_t axis = normal_axis(a.axis, shape.rank(), "top_k");
  const int64_t size = shape[static_cast<size_t>(axis)], k = call.outputs[0].size(axis);
  const int64_t inner = shape.count(axis + 1, shape.rank()), outer = shape.count(0, axis);
  const auto indices = call.outputs[1].data<int64_t>();
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const T* x = call.inputs[0].data<T>().data();
    T* values = call.outputs[0].data<T>().data();
    std::vector<int64_t> order(static_cast<size_t>(size));
    for (int64_t line = 0; line < outer * inner; ++line) {
      const int64_t start = line / inner * size * inner + line % inner;
      const int64_t to = line / inner * k * inner + line % inner;
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        const C u = static_cast<C>(x[start + i * inner]), v = static_cast<C>(x[start + j * inner]);
        if (u != u || v != v) return u != u && v == v;
        return a.largest ? u > v : u < v;
      });
      for (int64_t i = 0; i < k; ++i) {
        values[to + i * inner] = x[start + order[static_cast<size_t>(i)] * inner];
        indices[static_cast<size_t>(to + i * inner)] = order[static_cast<size_t>(i)];
      }
    }
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {3, 5, 4}}, .distinct = true};
  const Case::Input ties{.type = {DType::f32, {2, 4}}, .value = Tensor::of<float>({2, 4}, {1, 3, 3, 0, 0, 0, -1, -1})};
  auto k = [](int64_t value) {
    return Case::Input{.type = {DType::i64, {1}}, .value = Tensor::ints({value}), .differentiate = false};
  };
  return {{.name = "last", .inputs = {x, k(2)}, .attributes = TopKAttributes{}},
          {.name = "first", .inputs = {x, k(2)}, .attributes = TopKAttributes{0, true, true}},
          {.name = "smallest", .inputs = {x, k(3)}, .attributes = TopKAttributes{1, false, true}},
          {.name = "all", .inputs = {x, k(4)}, .attributes = TopKAttributes{}},
          {.name = "ties", .inputs = {ties, k(3)}, .attributes = TopKAttributes{}, .gradient = false}};
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op top_k = {.name = "top_k",
                  .doc = "the k extreme elements along an axis, and where they were",
                  .attributes = &TopKAttributes::info,
                  .infer = infer,
                  .gradient = differentiate,
                  .reference = reference,
                  .cases = cases,
                  .cost = cost};
}

Value top_k(Graph& graph, Value x, Value k, TopKAttributes attributes) {
  return graph.add(ops::top_k, {x, k}, attributes);
}
Value top_k(Graph& graph, Value x, int64_t k, TopKAttributes attributes) {
  return top_k(graph, x, ints(graph, {k}), attributes);
}

}  // namespace fovea
