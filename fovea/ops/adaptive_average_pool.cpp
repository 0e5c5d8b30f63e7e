// adaptive_average_pool:          y[n,c,p] = mean of x[n,c,k] over the window b(p) ≤ k < e(p), on every axis
//                                 b(p) = ⌊p · in / out⌋, e(p) = ⌈(p + 1) · in / out⌉
// adaptive_average_pool_gradient: the adjoint, x[n,c,k] += d[n,c,p] / (size of the window)
//
// Windows overlap where `in` is no multiple of `out`; where it is smaller, elements are repeated.
// Source: PyTorch adaptive_avg_pool2d; ONNX knows it only as the average pool that it equals when in divides evenly.
#include "fovea/ops/adaptive_average_pool.h"

#include "fovea/ops/window.h"

namespace fovea {

namespace {

struct Window {
  int64_t begin, end;
};

std::vector<std::vector<Window>> windows_of(const std::vector<int64_t>& in, const Ints& out) {
  std::vector<std::vector<Window>> axes;
  for (size_t a = 0; a < in.size(); ++a) {
    std::vector<Window>& axis = axes.emplace_back();
    for (int64_t p = 0; p < out[a]; ++p) axis.push_back({p * in[a] / out[a], ((p + 1) * in[a] + out[a] - 1) / out[a]});
  }
  return axes;
}

// Also of the adjoint: any size can have been pooled to any other.
Inferred infer(const Inference& in) {
  const Ints& sizes = in.as<AdaptiveAveragePoolAttributes>().sizes;
  const Shape& x = in.shape(0);
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  require(x.rank() >= 3 && sizes.size() + 2 == x.size(), ErrorKind::shape, "{} sizes for input {}", sizes.size(),
          to_string(x));
  for (size_t a = 0; a < sizes.size(); ++a)
    require(sizes[a] >= 1 && x[a + 2] >= 1, ErrorKind::shape, "cannot pool {} to a size of {}", to_string(x), sizes[a]);
  Shape y{x[0], x[1]};
  y.insert(y.end(), sizes.begin(), sizes.end());
  return Type{in.dtype(0), y};
}

// Calls f(position in the larger map's plane, position in the pooled plane, 1 / size of the window) for every pair.
template <class F>
void for_each_pair(const std::vector<int64_t>& in, const Ints& out, F&& f) {
  const auto axes = windows_of(in, out);
  std::vector<size_t> p(in.size(), 0);
  for (int64_t pooled = 0;; ++pooled) {
    double factor = 1;
    std::vector<int64_t> k;
    for (size_t a = 0; a < in.size(); ++a) {
      const Window& w = axes[a][p[a]];
      factor /= static_cast<double>(w.end - w.begin);
      k.push_back(w.begin);
    }
    for (;;) {
      int64_t at = 0;
      for (size_t a = 0; a < in.size(); ++a) at = at * in[a] + k[a];
      f(at, pooled, factor);
      size_t a = in.size();
      while (a-- > 0) {
        if (++k[a] < axes[a][p[a]].end) break;
        k[a] = axes[a][p[a]].begin;
      }
      if (a == size_t(-1)) break;
    }
    size_t a = in.size();
    while (a-- > 0) {
      if (++p[a] < axes[a].size()) break;
      p[a] = 0;
    }
    if (a == size_t(-1)) return;
  }
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape x = d.shape(d.input(0)), y = d.shape(d.outputs[0]);
  if (x == y) return {d.d_output()};
  return {adaptive_average_pool_gradient(d.graph, d.d_output(), Ints(x.begin() + 2, x.end()))};
}

std::vector<Value> differentiate_gradient(const Differentiation& d) {
  const Shape x = d.shape(d.input(0));
  return {adaptive_average_pool(d.graph, d.d_output(), Ints(x.begin() + 2, x.end()))};
}

void reference(const Call& call) {
  const Shape& x_shape = call.inputs[0].shape();
  const Shape& y_shape = call.outputs[0].shape();
  const int64_t in_size = x_shape.count(2, x_shape.rank()), out_size = y_shape.count(2, y_shape.rank());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> total(static_cast<size_t>(out_size));
    for (int64_t plane = 0; plane < x_shape[0] * x_shape[1]; ++plane) {
      const T* x = call.inputs[0].data<T>().data() + plane * in_size;
      T* y = call.outputs[0].data<T>().data() + plane * out_size;
      std::fill(total.begin(), total.end(), 0.0);
      for_each_pair(spatial_sizes(x_shape), Ints(y_shape.begin() + 2, y_shape.end()),
                    [&](int64_t k, int64_t p, double factor) { total[size_t(p)] += double(x[k]) * factor; });
      for (size_t i = 0; i < total.size(); ++i) y[i] = T(total[i]);
    }
  });
}

void reference_gradient(const Call& call) {
  const Shape& d_shape = call.inputs[0].shape();
  const Shape& x_shape = call.outputs[0].shape();
  const int64_t in_size = x_shape.count(2, x_shape.rank()), out_size = d_shape.count(2, d_shape.rank());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> total(static_cast<size_t>(in_size));
    for (int64_t plane = 0; plane < x_shape[0] * x_shape[1]; ++plane) {
      const T* d = call.inputs[0].data<T>().data() + plane * out_size;
      T* x = call.outputs[0].data<T>().data() + plane * in_size;
      std::fill(total.begin(), total.end(), 0.0);
      for_each_pair(spatial_sizes(x_shape), Ints(d_shape.begin() + 2, d_shape.end()),
                    [&](int64_t k, int64_t p, double factor) { total[size_t(k)] += double(d[p]) * factor; });
      for (size_t i = 0; i < total.size(); ++i) x[i] = T(total[i]);
    }
  });
}

struct Sample {
  std::string name;
  Shape x;
  Ints sizes;
};

std::vector<Case> cases() {
  const std::vector<Sample> samples = {{"even", {1, 3, 12, 18}, {6, 6}},       {"same", {2, 2, 7, 7}, {7, 7}},
                                       {"overlapping", {1, 2, 9, 13}, {7, 6}}, {"growing", {1, 2, 3, 1}, {7, 2}},
                                       {"all", {1, 16, 5, 4}, {1, 1}},         {"1d", {2, 3, 10}, {4}}};
  std::vector<Case> result;
  for (const Sample& s : samples)
    result.push_back({.name = s.name,
                      .inputs = {{.type = {DType::f32, s.x}}},
                      .attributes = AdaptiveAveragePoolAttributes{s.sizes}});
  return result;
}

std::vector<Case> cases_gradient() {
  return {{.name = "even",
           .inputs = {{.type = {DType::f32, {1, 3, 3, 2}}}},
           .attributes = AdaptiveAveragePoolAttributes{{6, 6}}},
          {.name = "overlapping",
           .inputs = {{.type = {DType::f32, {2, 2, 4, 3}}}},
           .attributes = AdaptiveAveragePoolAttributes{{7, 5}}}};
}

}  // namespace

namespace ops {
const Op adaptive_average_pool = {.name = "adaptive_average_pool",
                                  .doc = "averages over windows that cover the input evenly, to a given size",
                                  .attributes = &AdaptiveAveragePoolAttributes::info,
                                  .infer = infer,
                                  .gradient = differentiate,
                                  .reference = reference,
                                  .cases = cases,
                                  .zero_in_zero_out = 1};
const Op adaptive_average_pool_gradient = {.name = "adaptive_average_pool_gradient",
                                           .doc = "adjoint of adaptive_average_pool",
                                           .attributes = &AdaptiveAveragePoolAttributes::info,
                                           .infer = infer,
                                           .gradient = differentiate_gradient,
                                           .reference = reference_gradient,
                                           .cases = cases_gradient,
                                           .zero_in_zero_out = 1};
}  // namespace ops

Value adaptive_average_pool(Graph& graph, Value x, Ints sizes) {
  return graph.add(ops::adaptive_average_pool, {x}, AdaptiveAveragePoolAttributes{std::move(sizes)});
}

Value adaptive_average_pool_gradient(Graph& graph, Value d, Ints sizes) {
  return graph.add(ops::adaptive_average_pool_gradient, {d}, AdaptiveAveragePoolAttributes{std::move(sizes)});
}

}  // namespace fovea
