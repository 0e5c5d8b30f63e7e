// softmax:     y_i = exp(x_i − m) / Σ_j exp(x_j − m) along one axis, m = max_j x_j;  dx = y · (d − Σ_j d_j y_j)
// log_softmax: y_i = x_i − m − log Σ_j exp(x_j − m);                                 dx = d − softmax(x) · Σ_j d_j
// Both gradients are compositions, so any order exists.
// Source: ONNX Softmax-13 and LogSoftmax-13; Bridle, "Probabilistic interpretation of feedforward classification
// network outputs", 1990.
#include "fovea/ops/softmax.h"

#include <cmath>
#include <limits>

#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  normal_axis(in.as<SoftmaxAttributes>().axis, in.shape(0).rank(), "softmax");
  return in.type(0);
}

std::vector<Value> differentiate_softmax(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value weighted = mul(g, d.d_output(), y);
  const Value sum = reduce(g, weighted, {.kind = "sum", .axes = d.as<SoftmaxAttributes>().axis, .keep = true});
  return {sub(g, weighted, mul(g, y, sum))};
}

std::vector<Value> differentiate_log_softmax(const Differentiation& d) {
  Graph& g = d.graph;
  const auto a = d.as<SoftmaxAttributes>();
  const Value sum = reduce(g, d.d_output(), {.kind = "sum", .axes = a.axis, .keep = true});
  return {sub(g, d.d_output(), mul(g, softmax(g, d.input(0), a), sum))};
}

// Calls write(y, x − m, Σ exp(x − m)) for every element.
template <class F>
void normalised(const Call& call, F write) {
  const Shape& shape = call.inputs[0].shape();
  const int64_t axis = normal_axis(call.as<SoftmaxAttributes>().axis, shape.rank(), "softmax");
  const int64_t inner = shape.count(axis + 1, shape.rank()), size = shape[static_cast<size_t>(axis)];
  const int64_t outer = shape.count(0, axis);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = call.inputs[0].data<T>().data();
    T* to = call.outputs[0].data<T>().data();
    for (int64_t line = 0; line < outer * inner; ++line) {
      const int64_t start = line / inner * size * inner + line % inner;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t i = 0; i < size; ++i) largest = std::max(largest, double(from[start + i * inner]));
      for (int64_t i = 0; i < size; ++i) sum += std::exp(double(from[start + i * inner]) - largest);
      for (int64_t i = 0; i < size; ++i) write(to[start + i * inner], double(from[start + i * inner]) - largest, sum);
    }
  });
}

void reference_softmax(const Call& call) {
  normalised(call,
             [](auto& y, double x, double sum) { y = static_cast<std::decay_t<decltype(y)>>(std::exp(x) / sum); });
}
void reference_log_softmax(const Call& call) {
  normalised(call,
             [](auto& y, double x, double sum) { y = static_cast<std::decay_t<decltype(y)>>(x - std::log(sum)); });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape x, int64_t axis, double range = 3) {
    return Case{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(x)}, .low = -range, .high = range}},
                .attributes = SoftmaxAttributes{axis}};
  };
  return {make("rows", {3, 10}, -1),   make("wide", {2, 1000}, 1), make("channels", {2, 5, 3, 4}, 1),
          make("first", {5, 3}, 0),    make("one", {3, 1}, 1),     make("vector", {7}, 0),
          make("large", {3, 5}, 1, 60)};
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 4 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op softmax = {.name = "softmax",
                    .doc = "exp(x) / sum of exp(x) along an axis",
                    .attributes = &SoftmaxAttributes::info,
                    .infer = infer,
                    .gradient = differentiate_softmax,
                    .reference = reference_softmax,
                    .cases = cases,
                    .cost = cost};
const Op log_softmax = {.name = "log_softmax",
                        .doc = "x - log of the sum of exp(x) along an axis",
                        .attributes = &SoftmaxAttributes::info,
                        .infer = infer,
                        .gradient = differentiate_log_softmax,
                        .reference = reference_log_softmax,
                        .cases = cases,
                        .cost = cost};
}  // namespace ops

Value softmax(Graph& graph, Value x, SoftmaxAttributes attributes) { return graph.add(ops::softmax, {x}, attributes); }
Value log_softmax(Graph& graph, Value x, SoftmaxAttributes attributes) {
  return graph.add(ops::log_softmax, {x}, attributes);
}

}  // namespace fovea
