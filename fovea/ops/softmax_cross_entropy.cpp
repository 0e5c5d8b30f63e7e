// softmax_cross_entropy:          l[n] = −Σ_c t[n,c] · log softmax(z)[n,c];  for a class number y: −log softmax(z)[n,y]
// softmax_cross_entropy_gradient: dz[n,c] = d[n] · (ŷ[n,c] · Σ_c' t[n,c'] − t[n,c]),  ŷ = softmax(z)
// A class number outside of [0, C) contributes nothing (its loss and gradient are 0). Stable for any finite logits.
// Source: ONNX SoftmaxCrossEntropyLoss-13; Bishop, "Pattern recognition and machine learning", 2006, eq. 4.108–4.109.
#include "fovea/ops/softmax_cross_entropy.h"

#include <cmath>
#include <limits>

#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

void check(const Inference& in, size_t logits) {
  const Type &z = in.type(logits), &t = in.type(logits + 1);
  require(z.dtype == DType::f32 || z.dtype == DType::f64, ErrorKind::type, "computes in f32; logits are {}",
          to_string(z.dtype));
  require(z.shape.rank() == 2, ErrorKind::shape, "logits are {}, expected N,C", to_string(z.shape));
  const bool classes = t.dtype == DType::i64 && t.shape == Shape{z.shape[0]};
  require(classes || t == z, ErrorKind::shape, "targets are {}, expected i64[{}] or {}", to_string(t), z.shape[0],
          to_string(z));
}

Inferred infer(const Inference& in) {
  check(in, 0);
  return Type{in.dtype(0), {in.shape(0)[0]}};
}

Inferred infer_gradient(const Inference& in) {
  check(in, 1);
  require(in.type(0) == Type{in.dtype(1), {in.shape(1)[0]}}, ErrorKind::shape,
          "gradient is {}, expected one a row of {}", to_string(in.type(0)), to_string(in.type(1)));
  return in.type(1);
}

Value as_column(Graph& g, Value v) { return reshape(g, v, Shape{g.shape(v)[0], 1}); }

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value z = d.input(0), t = d.input(1);
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = softmax_cross_entropy_gradient(g, d.d_output(), z, t);
  if (d.wanted[1]) {
    const Value minus = sub(g, scalar(g, 0, g.dtype(z)), as_column(g, d.d_output()));
    result[1] = mul(g, log_softmax(g, z), minus);
  }
  return result;
}

// With D the incoming gradient [N,C], ŷ the softmax and T = Σ_c t: w.r.t. d: Σ_c D · (ŷT − t); w.r.t. z: d · T · ŷ · (D
// − Σ_c D ŷ); w.r.t. t: d · (Σ_c D ŷ − D). For class numbers T = 1 (or 0 where ignored, which Σ_c (ŷT − t) cannot tell:
// it is read off −t).
std::vector<Value> differentiate_gradient(const Differentiation& d) {
  Graph& g = d.graph;
  const Value z = d.input(1), t = d.input(2), big = d.d_output();
  const bool classes = g.dtype(t) == DType::i64;
  const ReduceAttributes rows{.kind = "sum", .axes = 1, .keep = true};
  const Value column = as_column(g, d.input(0));
  const Value y = softmax(g, z);
  const Value mean = reduce(g, mul(g, big, y), rows);
  std::vector<Value> result(3);
  if (d.wanted[0]) {
    const Value ones = constant(g, Tensor::full(g.dtype(z), {g.shape(z)[0]}, 1));
    result[0] = reduce(g, mul(g, big, softmax_cross_entropy_gradient(g, ones, z, t)), {.kind = "sum", .axes = 1});
  }
  if (d.wanted[1]) {
    Value weight = column;
    if (classes) {
      // T = l(z) / l(z) where counted: the loss of uniform logits is log C · T.
      const Value flat = constant(g, Tensor(g.dtype(z), g.shape(z)));
      const double size = static_cast<double>(g.shape(z)[1]);
      const Value total = as_column(g, softmax_cross_entropy(g, flat, t));
      if (size > 1) weight = mul(g, weight, mul(g, total, scalar(g, 1 / std::log(size), g.dtype(z))));
    } else {
      weight = mul(g, weight, reduce(g, t, rows));
    }
    result[1] = mul(g, weight, mul(g, y, sub(g, big, mean)));
  }
  if (!classes && d.wanted[2]) result[2] = mul(g, column, sub(g, mean, big));
  return result;
}

// Calls f(row, pointer to the row's logits, largest, log Σ exp(z − largest)).
template <class T, class F>
void for_each_row(const Tensor& logits, F f) {
  const int64_t rows = logits.size(0), columns = logits.size(1);
  for (int64_t n = 0; n < rows; ++n) {
    const T* z = logits.data<T>().data() + n * columns;
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t c = 0; c < columns; ++c) largest = std::max(largest, double(z[c]));
    for (int64_t c = 0; c < columns; ++c) sum += std::exp(double(z[c]) - largest);
    f(n, z, largest + std::log(sum));
  }
}

void reference(const Call& call) {
  const Tensor& targets = call.inputs[1];
  const int64_t columns = call.inputs[0].size(1);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto loss = call.outputs[0].data<T>();
    for_each_row<T>(call.inputs[0], [&](int64_t n, const T* z, double log_sum) {
      double total = 0;
      if (targets.dtype() == DType::i64) {
        const int64_t c = targets.data<int64_t>()[static_cast<size_t>(n)];
        if (c >= 0 && c < columns) total = log_sum - double(z[c]);
      } else {
        const T* t = targets.data<T>().data() + n * columns;
        for (int64_t c = 0; c < columns; ++c)
          if (t[c] != T(0)) total += double(t[c]) * (log_sum - double(z[c]));
      }
      loss[static_cast<size_t>(n)] = T(total);
    });
  });
}

void reference_gradient(const Call& call) {
  const Tensor& targets = call.inputs[2];
  const int64_t columns = call.inputs[1].size(1);
  dispatch_float(call.inputs[1].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_row<T>(call.inputs[1], [&](int64_t n, const T* z, double log_sum) {
      const double d = double(call.inputs[0].data<T>()[static_cast<size_t>(n)]);
      T* dz = call.outputs[0].data<T>().data() + n * columns;
      const bool classes = targets.dtype() == DType::i64;
      const int64_t target = classes ? targets.data<int64_t>()[static_cast<size_t>(n)] : -1;
      const T* t = classes ? nullptr : targets.data<T>().data() + n * columns;
      double weight = 0;
      if (classes) weight = target >= 0 && target < columns ? 1 : 0;
      else
        for (int64_t c = 0; c < columns; ++c) weight += double(t[c]);
      for (int64_t c = 0; c < columns; ++c) {
        const double expected = classes ? (c == target ? 1.0 : 0.0) : double(t[c]);
        dz[c] = T(d * (std::exp(double(z[c]) - log_sum) * weight - expected));
      }
    });
  });
}

Case::Input classes_of(std::vector<int64_t> values) {
  const int64_t count = static_cast<int64_t>(values.size());
  return {.type = {DType::i64, {count}}, .value = Tensor::ints(values), .differentiate = false};
}

std::vector<Case> cases() {
  const Case::Input z{.type = {DType::f32, {4, 7}}, .low = -3, .high = 3};
  return {{.name = "classes", .inputs = {z, classes_of({3, 0, 6, 3})}},
          {.name = "ignored", .inputs = {z, classes_of({3, -100, 7, 1})}},
          {.name = "probabilities", .inputs = {z, {.type = {DType::f32, {4, 7}}, .low = 0.05, .high = 0.9}}},
          {.name = "wide", .inputs = {{.type = {DType::f32, {2, 1000}}, .low = -9, .high = 9}, classes_of({999, 17})}}};
}

std::vector<Case> gradient_cases() {
  const Case::Input d{.type = {DType::f32, {4}}}, z{.type = {DType::f32, {4, 7}}, .low = -3, .high = 3};
  return {{.name = "classes", .inputs = {d, z, classes_of({3, 0, 6, 3})}},
          {.name = "ignored", .inputs = {d, z, classes_of({3, -100, 7, 1})}},
          {.name = "probabilities", .inputs = {d, z, {.type = {DType::f32, {4, 7}}, .low = 0.05, .high = 0.9}}}};
}

Cost cost(const Node&, std::span<const Type> in) {
  return {.flops = 4 * static_cast<double>(in[in.size() - 2].shape.count())};
}

}  // namespace

namespace ops {
const Op softmax_cross_entropy = {.name = "softmax_cross_entropy",
                                  .doc = "-sum over c of t[n,c] * log softmax(z)[n,c]",
                                  .infer = infer,
                                  .gradient = differentiate,
                                  .reference = reference,
                                  .cases = cases,
                                  .cost = cost};
const Op softmax_cross_entropy_gradient = {.name = "softmax_cross_entropy_gradient",
                                           .doc = "d[n] * (softmax(z)[n,c] - t[n,c])",
                                           .infer = infer_gradient,
                                           .gradient = differentiate_gradient,
                                           .reference = reference_gradient,
                                           .cases = gradient_cases,
                                           .cost = cost,
                                           .zero_in_zero_out = 1};
}  // namespace ops

Value softmax_cross_entropy(Graph& graph, Value logits, Value targets) {
  return graph.add(ops::softmax_cross_entropy, {logits, targets});
}
Value softmax_cross_entropy_gradient(Graph& graph, Value d, Value logits, Value targets) {
  return graph.add(ops::softmax_cross_entropy_gradient, {d, logits, targets});
}

}  // namespace fovea
