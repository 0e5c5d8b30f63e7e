// average_pool:          y[n,c,p] = (1/m[p]) Σ_k x[n,c,p·stride − pad + k·dilation]; outside of the input x counts as 0
// average_pool_gradient: the adjoint, x[n,c,p·stride − pad + k·dilation] += d[n,c,p] / m[p]
//
// The divisor m[p] counts the window's elements inside the input, or with include_pad inside the input and its padding;
// what a last, partial window of ceil mode covers beyond the end padding never counts. With `sum`, m = 1. A window that
// counts nothing gives 0.
// Source: ONNX AveragePool-19 (dilation, ceil), PyTorch avg_pool2d (the same divisors).
#include "fovea/ops/average_pool.h"

#include "fovea/ops/window.h"

namespace fovea {

namespace {

template <class A>
std::vector<WindowAxis> axes_of(const std::vector<int64_t>& sizes, const A& a) {
  return window_axes(sizes, {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
}

template <class A>
std::vector<double> factors(const std::vector<WindowAxis>& axes, const A& a) {
  int64_t outputs = 1;
  for (const WindowAxis& axis : axes) outputs *= axis.output;
  std::vector<double> factor(static_cast<size_t>(outputs), 0.0);
  for_each_window_element(axes, [&](const WindowElement& e) {
    factor[static_cast<size_t>(e.output)] += e.input >= 0 || (a.include_pad && e.in_padding) ? 1 : 0;
  });
  for (double& f : factor) f = a.sum ? 1 : f > 0 ? 1 / f : 0;
  return factor;
}

Shape pooled(const Shape& x, const std::vector<WindowAxis>& axes) {
  Shape y{x[0], x[1]};
  for (const WindowAxis& axis : axes) y.push_back(axis.output);
  return y;
}

void require_float(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
}

Inferred infer(const Inference& in) {
  require_float(in);
  const auto axes = axes_of(spatial_sizes(in.shape(0)), in.as<AveragePoolAttributes>());
  return Type{in.dtype(0), pooled(in.shape(0), axes)};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<AveragePoolAttributes>();
  const Shape x = d.shape(d.input(0));
  return {average_pool_gradient(
      d.graph, d.d_output(),
      {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil, a.include_pad, a.sum, Ints(x.begin() + 2, x.end())})};
}

void reference(const Call& call) {
  const auto& a = call.as<AveragePoolAttributes>();
  const Shape& shape = call.inputs[0].shape();
  const auto axes = axes_of(spatial_sizes(shape), a);
  const auto factor = factors(axes, a);
  const int64_t in_size = shape.count(2, shape.rank()), out_size = static_cast<int64_t>(factor.size());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> total(factor.size());
    for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
      const T* x = call.inputs[0].data<T>().data() + plane * in_size;
      T* y = call.outputs[0].data<T>().data() + plane * out_size;
      std::fill(total.begin(), total.end(), 0.0);
      for_each_window_element(axes, [&](const WindowElement& e) {
        if (e.input >= 0) total[static_cast<size_t>(e.output)] += double(x[e.input]);
      });
      for (size_t i = 0; i < total.size(); ++i) y[i] = T(total[i] * factor[i]);
    }
  });
}

Inferred infer_gradient(const Inference& in) {
  require_float(in);
  const auto& a = in.as<AveragePoolAdjointAttributes>();
  const Shape& d = in.shape(0);
  require(d.rank() >= 3 && a.sizes.size() + 2 == d.size(), ErrorKind::shape, "{} sizes for gradient {}", a.sizes.size(),
          to_string(d));
  Shape x{d[0], d[1]};
  x.insert(x.end(), a.sizes.begin(), a.sizes.end());
  const Shape expected = pooled(x, axes_of(a.sizes, a));
  require(d == expected, ErrorKind::shape, "gradient is {}, pooling {} gives {}", to_string(d), to_string(x),
          to_string(expected));
  return Type{in.dtype(0), x};
}

std::vector<Value> differentiate_gradient(const Differentiation& d) {
  const auto& a = d.as<AveragePoolAdjointAttributes>();
  return {average_pool(d.graph, d.d_output(),
                       {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil, a.include_pad, a.sum})};
}

void reference_gradient(const Call& call) {
  const auto& a = call.as<AveragePoolAdjointAttributes>();
  const Shape& shape = call.outputs[0].shape();
  const auto axes = axes_of(a.sizes, a);
  const auto factor = factors(axes, a);
  const int64_t in_size = shape.count(2, shape.rank()), out_size = static_cast<int64_t>(factor.size());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> total(static_cast<size_t>(in_size));
    for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
      const T* d = call.inputs[0].data<T>().data() + plane * out_size;
      T* x = call.outputs[0].data<T>().data() + plane * in_size;
      std::fill(total.begin(), total.end(), 0.0);
      for_each_window_element(axes, [&](const WindowElement& e) {
        if (e.input >= 0)
          total[static_cast<size_t>(e.input)] += double(d[e.output]) * factor[static_cast<size_t>(e.output)];
      });
      for (size_t i = 0; i < total.size(); ++i) x[i] = T(total[i]);
    }
  });
}

struct Sample {
  std::string name;
  Shape x;
  AveragePoolAttributes a;
};

std::vector<Sample> samples() {
  return {{"2x2", {2, 3, 6, 8}, {.kernel = {2, 2}, .stride = 2}},
          {"3x3_overlapping_wide", {1, 16, 9, 7}, {.kernel = 3, .stride = 2}},
          {"pad_excluded", {1, 2, 7, 7}, {.kernel = 3, .stride = 2, .pad = 1}},
          {"pad_included", {1, 2, 7, 7}, {.kernel = 3, .stride = 2, .pad = 1, .include_pad = true}},
          {"ceil_excluded", {1, 2, 8, 10}, {.kernel = 3, .stride = 2, .ceil = true}},
          {"ceil_included", {1, 2, 8, 10}, {.kernel = 3, .stride = 2, .pad = 1, .ceil = true, .include_pad = true}},
          {"ceil_dropped", {1, 1, 2, 2}, {.kernel = 1, .stride = 2, .pad = 0, .ceil = true}},
          {"dilated", {1, 2, 8, 9}, {.kernel = 2, .stride = 1, .dilation = 2}},
          {"asymmetric", {1, 2, 6, 5}, {.kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1, 2, 0}, .include_pad = true}},
          {"sum", {1, 2, 7, 6}, {.kernel = 3, .stride = 2, .pad = 1, .sum = true}},
          {"1d", {2, 3, 9}, {.kernel = 2, .stride = 2}},
          {"3d", {1, 2, 4, 5, 6}, {.kernel = {2, 3, 2}, .stride = 2, .ceil = true}},
          {"same_upper", {1, 2, 7, 6}, {.kernel = 3, .stride = 2, .auto_pad = "same_upper"}},
          {"same_lower", {1, 2, 7, 6}, {.kernel = 2, .stride = 2, .auto_pad = "same_lower", .include_pad = true}}};
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Sample& s : samples())
    result.push_back({.name = s.name, .inputs = {{.type = {DType::f32, s.x}}}, .attributes = s.a});
  return result;
}

std::vector<Case> gradient_cases() {
  std::vector<Case> result;
  for (const Sample& s : samples()) {
    const AveragePoolAttributes& a = s.a;
    result.push_back(
        {.name = s.name,
         .inputs = {{.type = {DType::f32, pooled(s.x, axes_of(spatial_sizes(s.x), a))}}},
         .attributes = AveragePoolAdjointAttributes{a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil,
                                                    a.include_pad, a.sum, Ints(s.x.begin() + 2, s.x.end())}});
  }
  return result;
}

// One addition a window element.
double window_flops(const Ints& kernel, const Shape& pooled_shape) {
  double window = 1;
  for (size_t axis = 0; axis + 2 < pooled_shape.size(); ++axis)
    window *= static_cast<double>(axis_value(kernel, axis, 1));
  return window * static_cast<double>(pooled_shape.count());
}
Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = window_flops(node.attributes.as<AveragePoolAttributes>().kernel, node.outputs[0].shape)};
}
Cost gradient_cost(const Node& node, std::span<const Type> in) {
  return {.flops = window_flops(node.attributes.as<AveragePoolAdjointAttributes>().kernel, in[0].shape)};
}

}  // namespace

namespace ops {
const Op average_pool = {.name = "average_pool",
                         .doc = "the average of each window",
                         .attributes = &AveragePoolAttributes::info,
                         .infer = infer,
                         .gradient = differentiate,
                         .reference = reference,
                         .cases = cases,
                         .cost = cost,
                         .zero_in_zero_out = 1};
const Op average_pool_gradient = {.name = "average_pool_gradient",
                                  .doc = "spreads each value over its window",
                                  .attributes = &AveragePoolAdjointAttributes::info,
                                  .infer = infer_gradient,
                                  .gradient = differentiate_gradient,
                                  .reference = reference_gradient,
                                  .cases = gradient_cases,
                                  .cost = gradient_cost,
                                  .zero_in_zero_out = 1};
}  // namespace ops

Value average_pool(Graph& graph, Value x, AveragePoolAttributes attributes) {
  return graph.add(ops::average_pool, {x}, std::move(attributes));
}
Value average_pool_gradient(Graph& graph, Value d, AveragePoolAdjointAttributes attributes) {
  return graph.add(ops::average_pool_gradient, {d}, std::move(attributes));
}

}  // namespace fovea
