// gram:          G[n] = Σ_p x_p x_pᵀ,  s[n] = Σ_p x_p,  x_p the C values at position p of a window
// gram_gradient: dx_p = (dG + dGᵀ) x_p + ds in the window, 0 elsewhere
// A window given at run time lets one program sum over any part of the maps: the positions that a tile owns.
// Source: Gatys, Ecker & Bethge, "Texture synthesis using convolutional neural networks", NIPS 2015, equations 2 and 4.
#include "fovea/ops/gram.h"

#include <algorithm>

#include "fovea/ops/input.h"

namespace fovea {

namespace {

struct Area {
  int64_t top, bottom, left, right;
};

Area area_of(const Call& call, size_t input, const Shape& x) {
  if (!call.has(input)) return {0, x[2], 0, x[3]};
  const auto w = call.inputs[input].data<int64_t>();
  const auto cut = [](int64_t at, int64_t size) { return std::clamp<int64_t>(at, 0, size); };
  return {cut(w[0], x[2]), cut(w[1], x[2]), cut(w[2], x[3]), cut(w[3], x[3])};
}

void check_maps(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the maps are {}",
          to_string(in.dtype(0)));
  require(in.shape(0).rank() == 4, ErrorKind::shape, "expected maps [N,C,H,W], got {}", to_string(in.shape(0)));
}

void check_window(const Inference& in, size_t i) {
  if (!in.has(i)) return;
  require(in.dtype(i) == DType::i64 && in.shape(i) == Shape{4}, ErrorKind::shape,
          "the window is {}, expected i64[4]: rows from and to, columns from and to", to_string(in.type(i)));
}

Inferred infer(const Inference& in) {
  check_maps(in);
  check_window(in, 1);
  const Shape& x = in.shape(0);
  return std::vector<Type>{{in.dtype(0), {x[0], x[1], x[1]}}, {in.dtype(0), {x[0], x[1]}}};
}

Inferred infer_gradient(const Inference& in) {
  check_maps(in);
  check_window(in, 3);
  const Shape& x = in.shape(0);
  require(in.type(1) == Type{in.dtype(0), {x[0], x[1], x[1]}}, ErrorKind::shape,
          "the gradient of the products is {}, expected {}", to_string(in.type(1)),
          to_string(Type{in.dtype(0), {x[0], x[1], x[1]}}));
  require(!in.has(2) || in.type(2) == Type{in.dtype(0), {x[0], x[1]}}, ErrorKind::shape,
          "the gradient of the answers is {}, expected {}", in.has(2) ? to_string(in.type(2)) : "",
          to_string(Type{in.dtype(0), {x[0], x[1]}}));
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Value x = d.input(0);
  Value products = d.d_output(0);
  if (!products) {
    const Shape shape = d.shape(d.outputs[0]);
    products = constant(d.graph, Tensor(d.graph.dtype(x), shape));
  }
  std::vector<Value> result(d.node.inputs.size());
  result[0] = gram_gradient(d.graph, x, products, d.d_output(1), d.input(1));
  return result;
}

void reference(const Call& call) {
  const Shape& shape = call.inputs[0].shape();
  const int64_t channels = shape[1], plane = shape[2] * shape[3];
  const Area area = area_of(call, 1, shape);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = call.inputs[0].data<T>().data();
    T* products = call.outputs[0].data<T>().data();
    T* answers = call.outputs[1].data<T>().data();
    for (int64_t n = 0; n < shape[0]; ++n, x += channels * plane)
      for (int64_t i = 0; i < channels; ++i) {
        const auto over = [&](auto term) {
          double sum = 0;
          for (int64_t row = area.top; row < area.bottom; ++row)
            for (int64_t p = row * shape[3] + area.left; p < row * shape[3] + area.right; ++p) sum += term(p);
          return static_cast<T>(sum);
        };
        const T* a = x + i * plane;
        answers[n * channels + i] = over([&](int64_t p) { return static_cast<double>(a[p]); });
        for (int64_t j = 0; j <= i; ++j) {
          const T* b = x + j * plane;
          const T sum = over([&](int64_t p) { return static_cast<double>(a[p]) * static_cast<double>(b[p]); });
          products[(n * channels + i) * channels + j] = products[(n * channels + j) * channels + i] = sum;
        }
      }
  });
}

void reference_gradient(const Call& call) {
  const Shape& shape = call.inputs[0].shape();
  const int64_t channels = shape[1], plane = shape[2] * shape[3];
  const Area area = area_of(call, 3, shape);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = call.inputs[0].data<T>().data();
    const T* d = call.inputs[1].data<T>().data();
    const T* answers = call.has(2) ? call.inputs[2].data<T>().data() : nullptr;
    T* dx = call.outputs[0].data<T>().data();
    std::fill_n(dx, shape.count(), T(0));
    for (int64_t n = 0; n < shape[0]; ++n, x += channels * plane, dx += channels * plane, d += channels * channels)
      for (int64_t i = 0; i < channels; ++i)
        for (int64_t row = area.top; row < area.bottom; ++row)
          for (int64_t p = row * shape[3] + area.left; p < row * shape[3] + area.right; ++p) {
            double sum = answers ? static_cast<double>(answers[n * channels + i]) : 0;
            for (int64_t j = 0; j < channels; ++j)
              sum += (static_cast<double>(d[i * channels + j]) + static_cast<double>(d[j * channels + i])) *
                     static_cast<double>(x[j * plane + p]);
            dx[i * plane + p] = static_cast<T>(sum);
          }
  });
}

Case::Input maps(const Shape& shape) { return {.type = {DType::f32, shape}}; }
Case::Input window(const std::vector<int64_t>& values) {
  return {.type = {DType::i64, {4}}, .value = Tensor::ints(values), .differentiate = false};
}

std::vector<Case> cases() {
  return {{.name = "whole", .inputs = {maps({1, 32, 7, 9})}},
          {.name = "batch_odd_channels", .inputs = {maps({2, 5, 4, 3})}},
          {.name = "window", .inputs = {maps({1, 16, 8, 11}), window({2, 7, 3, 11})}},
          {.name = "one_position", .inputs = {maps({1, 48, 5, 5}), window({4, 5, 0, 1})}},
          {.name = "beyond", .inputs = {maps({1, 3, 5, 5}), window({-2, 9, 3, 7})}},
          {.name = "empty", .inputs = {maps({1, 16, 5, 5}), window({3, 3, 0, 5})}, .gradient = false},
          {.name = "long", .inputs = {maps({1, 80, 33, 21})}}};
}

std::vector<Case> gradient_cases() {
  const auto square = [](int64_t n, int64_t c) { return Case::Input{.type = {DType::f32, {n, c, c}}}; };
  const auto rows = [](int64_t n, int64_t c) { return Case::Input{.type = {DType::f32, {n, c}}}; };
  const Case::Input none{.given = false};
  return {
      {.name = "whole", .inputs = {maps({1, 32, 7, 9}), square(1, 32), rows(1, 32)}},
      {.name = "batch_odd_channels", .inputs = {maps({2, 5, 4, 3}), square(2, 5), rows(2, 5)}},
      {.name = "products_only", .inputs = {maps({1, 48, 6, 5}), square(1, 48)}},
      {.name = "window", .inputs = {maps({1, 16, 8, 11}), square(1, 16), rows(1, 16), window({2, 7, 3, 11})}},
      {.name = "window_products_only", .inputs = {maps({1, 80, 9, 30}), square(1, 80), none, window({0, 9, 0, 29})}},
      {.name = "empty", .inputs = {maps({1, 16, 5, 5}), square(1, 16), none, window({3, 3, 0, 5})}}};
}

double positions(std::span<const Type> in) {
  return static_cast<double>(in[0].shape.count()) / static_cast<double>(in[0].shape[1]);
}

Cost cost(const Node&, std::span<const Type> in) {
  const auto channels = static_cast<double>(in[0].shape[1]);
  const double macs = positions(in) * channels * (channels + 1) / 2;
  return {.flops = 2 * macs + positions(in) * channels, .macs = macs};
}

Cost cost_gradient(const Node&, std::span<const Type> in) {
  const auto channels = static_cast<double>(in[0].shape[1]);
  const double macs = positions(in) * channels * channels;
  return {.flops = 2 * macs, .macs = macs};
}

}  // namespace

namespace ops {
const Op gram = {.name = "gram",
                 .doc = "the sums over the positions of a window of x xᵀ and of x, x the channels' values at one",
                 .infer = infer,
                 .gradient = differentiate,
                 .reference = reference,
                 .cases = cases,
                 .cost = cost};
const Op gram_gradient = {.name = "gram_gradient",
                          .doc = "(d + dᵀ) x + d_answers at the positions of a window, 0 elsewhere",
                          .infer = infer_gradient,
                          .no_gradient = "for second derivatives write the Gram matrix with matmul and transpose",
                          .reference = reference_gradient,
                          .cases = gradient_cases,
                          .cost = cost_gradient};
}  // namespace ops

Value gram(Graph& graph, Value x, Value window) { return graph.add(ops::gram, {x, window}); }

Value gram_gradient(Graph& graph, Value x, Value d_products, Value d_answers, Value window) {
  return graph.add(ops::gram_gradient, {x, d_products, d_answers, window});
}

}  // namespace fovea
