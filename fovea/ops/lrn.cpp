// lrn:          y[c] = x[c] · s[c]^−β,  s[c] = bias + α/size · Σ_j x[j]²,  j from c − ⌊(size−1)/2⌋ to c + ⌈(size−1)/2⌉
//               among the channels that exist
// lrn_gradient: dx[c] = d[c] · s[c]^−β − 2αβ/size · x[c] · Σ_j d[j] · x[j] · s[j]^(−β−1) over the j whose window has c
//
// Source: ONNX LRN-13; Caffe LRN (across channels); Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep
// convolutional neural networks", NIPS 2012, section 3.3 (there α is not divided by size).
#include "fovea/ops/lrn.h"

#include <cmath>

namespace fovea {

namespace {

void check(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  require(in.shape(0).rank() >= 2, ErrorKind::shape, "expected N and C axes, got {}", to_string(in.shape(0)));
  require(in.as<LrnAttributes>().size >= 1, ErrorKind::usage, "size is {}, it must be at least 1",
          in.as<LrnAttributes>().size);
}

Inferred infer(const Inference& in) {
  check(in);
  return in.type(0);
}

Inferred infer_gradient(const Inference& in) {
  check(in);
  require(in.type(0) == in.type(1), ErrorKind::shape, "gradient is {}, input is {}", to_string(in.type(0)),
          to_string(in.type(1)));
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {lrn_gradient(d.graph, d.d_output(), d.input(0), d.as<LrnAttributes>())};
}

// The window of channel c: [first, last).
struct Window {
  int64_t first, last;
};
Window window(int64_t c, int64_t channels, int64_t size) {
  return {std::max<int64_t>(0, c - (size - 1) / 2), std::min(channels, c + size / 2 + 1)};
}

// Calls f(x of a pixel's channels, their s, start, step): element c of the pixel is at start + c · step.
template <class T, class F>
void for_each_pixel(const Tensor& x, const LrnAttributes& a, F f) {
  const Shape& shape = x.shape();
  const int64_t channels = shape[1], inner = shape.count(2, shape.rank());
  std::vector<double> values(static_cast<size_t>(channels)), s(static_cast<size_t>(channels));
  const T* data = x.data<T>().data();
  for (int64_t pixel = 0; pixel < shape[0] * inner; ++pixel) {
    const int64_t start = pixel / inner * channels * inner + pixel % inner;
    for (int64_t c = 0; c < channels; ++c) values[static_cast<size_t>(c)] = double(data[start + c * inner]);
    for (int64_t c = 0; c < channels; ++c) {
      const Window w = window(c, channels, a.size);
      double sum = 0;
      for (int64_t j = w.first; j < w.last; ++j) sum += values[static_cast<size_t>(j)] * values[static_cast<size_t>(j)];
      s[static_cast<size_t>(c)] = a.bias + a.alpha / static_cast<double>(a.size) * sum;
    }
    f(values, s, start, inner);
  }
}

void reference(const Call& call) {
  const auto& a = call.as<LrnAttributes>();
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* y = call.outputs[0].data<T>().data();
    for_each_pixel<T>(call.inputs[0], a, [&](const auto& x, const auto& s, int64_t start, int64_t step) {
      for (size_t c = 0; c < x.size(); ++c)
        y[start + static_cast<int64_t>(c) * step] = T(x[c] * std::pow(s[c], -a.beta));
    });
  });
}

void reference_gradient(const Call& call) {
  const auto& a = call.as<LrnAttributes>();
  const double factor = 2 * a.alpha * a.beta / static_cast<double>(a.size);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* d = call.inputs[0].data<T>().data();
    T* dx = call.outputs[0].data<T>().data();
    std::vector<double> shared(static_cast<size_t>(call.inputs[0].size(1)));
    for_each_pixel<T>(call.inputs[1], a, [&](const auto& x, const auto& s, int64_t start, int64_t step) {
      const int64_t channels = static_cast<int64_t>(x.size());
      std::fill(shared.begin(), shared.end(), 0.0);
      for (int64_t j = 0; j < channels; ++j) {
        const size_t at = static_cast<size_t>(j);
        const double term = double(d[start + j * step]) * x[at] * std::pow(s[at], -a.beta - 1);
        const Window w = window(j, channels, a.size);
        for (int64_t c = w.first; c < w.last; ++c) shared[static_cast<size_t>(c)] += term;
      }
      for (int64_t c = 0; c < channels; ++c) {
        const size_t at = static_cast<size_t>(c);
        dx[start + c * step] = T(double(d[start + c * step]) * std::pow(s[at], -a.beta) - factor * x[at] * shared[at]);
      }
    });
  });
}

struct Sample {
  std::string name;
  Shape x;
  LrnAttributes a;
};
std::vector<Sample> samples() {
  return {{"alexnet", {2, 16, 3, 5}, {}},
          {"strong", {2, 7, 3, 2}, {.size = 3, .alpha = 2, .beta = 0.5, .bias = 1.5}},
          {"even", {1, 7, 3, 2}, {.size = 4, .alpha = 1, .beta = 0.75, .bias = 2}},
          {"wider_than_channels", {1, 3, 2, 2}, {.size = 9, .alpha = 1, .beta = 1, .bias = 1}},
          {"one", {2, 3, 5}, {.size = 1, .alpha = 0.5, .beta = 0.75, .bias = 1}}};
}
std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Sample& s : samples())
    result.push_back(
        {.name = s.name, .inputs = {{.type = {DType::f32, s.x}, .low = -2, .high = 2}}, .attributes = s.a});
  return result;
}
std::vector<Case> gradient_cases() {
  std::vector<Case> result;
  for (const Sample& s : samples())
    result.push_back({.name = s.name,
                      .inputs = {{.type = {DType::f32, s.x}}, {.type = {DType::f32, s.x}, .low = -2, .high = 2}},
                      .attributes = s.a});
  return result;
}

Cost cost(const Node& node, std::span<const Type> in) {
  return {.flops = static_cast<double>(in[0].shape.count()) *
                   (2 * static_cast<double>(node.attributes.as<LrnAttributes>().size) + 4)};
}

}  // namespace

namespace ops {
const Op lrn = {.name = "lrn",
                .doc = "x / (bias + alpha/size * sum of x^2 over a window of channels)^beta",
                .attributes = &LrnAttributes::info,
                .infer = infer,
                .gradient = differentiate,
                .reference = reference,
                .cases = cases,
                .cost = cost,
                .zero_in_zero_out = 1};
const Op lrn_gradient = {.name = "lrn_gradient",
                         .doc = "the gradient of lrn",
                         .attributes = &LrnAttributes::info,
                         .infer = infer_gradient,
                         .no_gradient = "nobody needs the second derivative of local response normalisation yet",
                         .reference = reference_gradient,
                         .cases = gradient_cases,
                         .cost = cost,
                         .zero_in_zero_out = 1};
}  // namespace ops

Value lrn(Graph& graph, Value x, LrnAttributes attributes) { return graph.add(ops::lrn, {x}, attributes); }
Value lrn_gradient(Graph& graph, Value d, Value x, LrnAttributes attributes) {
  return graph.add(ops::lrn_gradient, {d, x}, attributes);
}

}  // namespace fovea
