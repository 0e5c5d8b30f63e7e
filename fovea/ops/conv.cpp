// conv:                  y[n,o,p] = bias[o] + Σ_{i,k} x[n, g·I/G + i, p·stride − pad + k·dilation] · w[o,i,k],  g = the
// group of o conv_input_gradient:   the adjoint in x: scatters d[n,o,p] · w[o,i,k] to the positions that conv reads
// conv_weight_gradient:  the adjoint in w: Σ_{n,p} x[...] · d[n,o,p]
// Positions outside of the input count as 0. The three are trilinear and closed under differentiation.
// Source: ONNX Conv-11; LeCun et al., "Gradient-based learning applied to document recognition", 1998. Not flipped
// (cross-correlation).
#include "fovea/ops/conv.h"

#include "fovea/ops/reduce.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

struct Geometry {
  int64_t batch, groups, in_group, out_group;  // channels in a group
  std::vector<WindowAxis> axes;
};

Ints explicit_pad(const std::vector<WindowAxis>& axes) {
  Ints pad;
  for (const WindowAxis& a : axes) pad.push_back(a.pad_begin);
  for (const WindowAxis& a : axes) pad.push_back(a.pad_end);
  return pad;
}

Geometry geometry(const Shape& x, const Shape& w, int64_t groups, const WindowSettings& settings) {
  require(x.rank() >= 3 && w.rank() == x.rank(), ErrorKind::shape,
          "input is {}, weight is {}: expected N,C,spatial and O,I/G,kernel", to_string(x), to_string(w));
  require(groups >= 1 && w[0] % groups == 0 && w[1] * groups == x[1], ErrorKind::shape,
          "input has {} channels, weight expects {} (input {}, weight {}, groups {}){}", x[1], w[1] * groups,
          to_string(x), to_string(w), groups,
          groups == 1 && w[1] > 0 && x[1] % w[1] == 0 ? "; is groups missing?" : "");
  return {x[0], groups, w[1], w[0] / groups, window_axes(spatial_sizes(x), settings)};
}

Shape output_shape(int64_t batch, int64_t channels, const std::vector<WindowAxis>& axes) {
  Shape shape{batch, channels};
  for (const WindowAxis& a : axes) shape.push_back(a.output);
  return shape;
}

void require_float(const Inference& in) {
  for (size_t i = 0; i < in.count(); ++i)
    if (in.has(i))
      require(in.dtype(i) == in.dtype(0) && (in.dtype(i) == DType::f32 || in.dtype(i) == DType::f64), ErrorKind::type,
              "computes in f32; input {} is {}", i, to_string(in.dtype(i)));
}

Ints kernel_of(const Shape& w) { return w.size() < 2 ? Ints() : Ints(w.begin() + 2, w.end()); }

Geometry conv_geometry(const Shape& x, const Shape& w, const ConvAttributes& a) {
  return geometry(x, w, a.groups, {kernel_of(w), a.stride, a.dilation, a.pad, a.auto_pad});
}

Inferred infer_conv(const Inference& in) {
  require_float(in);
  const Geometry g = conv_geometry(in.shape(0), in.shape(1), in.as<ConvAttributes>());
  if (in.has(2))
    require(in.shape(2) == Shape{in.shape(1)[0]}, ErrorKind::shape, "bias is {}, expected {}", to_string(in.shape(2)),
            in.shape(1)[0]);
  return Type{in.dtype(0), output_shape(g.batch, in.shape(1)[0], g.axes)};
}

// Shapes of x, w and d (the conv's output) for an adjoint; checks that d is what conv would give.
void check_adjoint(const Shape& x, const Shape& w, const Shape& d, const ConvAdjointAttributes& a) {
  const Geometry g = geometry(x, w, a.groups, {kernel_of(w), a.stride, a.dilation, a.pad});
  const Shape expected = output_shape(x[0], w[0], g.axes);
  require(d == expected, ErrorKind::shape, "gradient is {}, a convolution of {} with {} gives {}", to_string(d),
          to_string(x), to_string(w), to_string(expected));
}

Inferred infer_input_gradient(const Inference& in) {
  require_float(in);
  const auto& a = in.as<ConvAdjointAttributes>();
  const Shape& w = in.shape(1);
  require(w.rank() >= 3 && a.sizes.size() + 2 == w.size() && in.shape(0).rank() == w.rank(), ErrorKind::shape,
          "gradient {}, weight {}, sizes {} do not match", to_string(in.shape(0)), to_string(w), to_string(a.sizes));
  Shape x{in.shape(0)[0], w[1] * a.groups};
  x.insert(x.end(), a.sizes.begin(), a.sizes.end());
  check_adjoint(x, w, in.shape(0), a);
  return Type{in.dtype(0), x};
}

Inferred infer_weight_gradient(const Inference& in) {
  require_float(in);
  const auto& a = in.as<ConvAdjointAttributes>();
  const Shape& x = in.shape(0);
  require(x.rank() >= 3 && in.shape(1).rank() == x.rank() && a.sizes.size() + 2 == x.size() && a.groups >= 1 &&
              x[1] % a.groups == 0,
          ErrorKind::shape, "input {}, gradient {}, kernel {}, groups {} do not match", to_string(x),
          to_string(in.shape(1)), to_string(a.sizes), a.groups);
  Shape w{in.shape(1)[1], x[1] / a.groups};
  w.insert(w.end(), a.sizes.begin(), a.sizes.end());
  check_adjoint(x, w, in.shape(1), a);
  return Type{in.dtype(0), w};
}

std::vector<Value> differentiate_conv(const Differentiation& d) {
  const auto& a = d.as<ConvAttributes>();
  Graph& g = d.graph;
  const Shape x = g.shape(d.input(0)), w = g.shape(d.input(1));
  const Ints pad = explicit_pad(conv_geometry(x, w, a).axes);
  std::vector<Value> result(3);
  if (d.wanted[0])
    result[0] = conv_input_gradient(g, d.d_output(), d.input(1),
                                    {a.stride, a.dilation, pad, a.groups, Ints(x.begin() + 2, x.end())});
  if (d.wanted[1])
    result[1] = conv_weight_gradient(g, d.input(0), d.d_output(), {a.stride, a.dilation, pad, a.groups, kernel_of(w)});
  if (d.input(2) && d.wanted[2]) {
    Ints axes{0};
    for (int64_t k = 2; k < x.rank(); ++k) axes.push_back(k);
    result[2] = reduce(g, d.d_output(), {.kind = "sum", .axes = axes});
  }
  result.resize(d.node.inputs.size());
  return result;
}

// conv_input_gradient(d, w) is linear in both; its adjoints are conv itself and conv_weight_gradient.
std::vector<Value> differentiate_input_gradient(const Differentiation& d) {
  const auto& a = d.as<ConvAdjointAttributes>();
  const Shape w = d.shape(d.input(1));
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = conv(d.graph, d.d_output(), d.input(1), {}, {a.stride, a.dilation, a.pad, a.groups, ""});
  if (d.wanted[1])
    result[1] =
        conv_weight_gradient(d.graph, d.d_output(), d.input(0), {a.stride, a.dilation, a.pad, a.groups, kernel_of(w)});
  return result;
}

std::vector<Value> differentiate_weight_gradient(const Differentiation& d) {
  const auto& a = d.as<ConvAdjointAttributes>();
  const Shape x = d.shape(d.input(0));
  std::vector<Value> result(2);
  if (d.wanted[0])
    result[0] = conv_input_gradient(d.graph, d.input(1), d.d_output(),
                                    {a.stride, a.dilation, a.pad, a.groups, Ints(x.begin() + 2, x.end())});
  if (d.wanted[1]) result[1] = conv(d.graph, d.input(0), d.d_output(), {}, {a.stride, a.dilation, a.pad, a.groups, ""});
  return result;
}

// Calls f(x offset, w offset, y offset) for every multiply-add of a convolution. Offsets are element indices.
template <class F>
void for_each_product(const Geometry& g, F f) {
  const size_t n = g.axes.size();
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  for (const WindowAxis& a : g.axes) in_size *= a.input, out_size *= a.output, kernel_size *= a.kernel;
  std::vector<int64_t> p(n), k(n);
  for (int64_t b = 0; b < g.batch; ++b)
    for (int64_t o = 0; o < g.groups * g.out_group; ++o) {
      const int64_t first_in = o / g.out_group * g.in_group;
      for (int64_t out = 0; out < out_size; ++out) {
        for (int64_t rest = out, axis = static_cast<int64_t>(n) - 1; axis >= 0; --axis) {
          p[static_cast<size_t>(axis)] = rest % g.axes[static_cast<size_t>(axis)].output;
          rest /= g.axes[static_cast<size_t>(axis)].output;
        }
        for (int64_t kernel = 0; kernel < kernel_size; ++kernel) {
          for (int64_t rest = kernel, axis = static_cast<int64_t>(n) - 1; axis >= 0; --axis) {
            k[static_cast<size_t>(axis)] = rest % g.axes[static_cast<size_t>(axis)].kernel;
            rest /= g.axes[static_cast<size_t>(axis)].kernel;
          }
          int64_t position = 0;
          bool inside = true;
          for (size_t axis = 0; axis < n; ++axis) {
            const int64_t at = g.axes[axis].at(p[axis], k[axis]);
            inside = inside && at >= 0 && at < g.axes[axis].input;
            position = position * g.axes[axis].input + at;
          }
          if (!inside) continue;
          for (int64_t i = 0; i < g.in_group; ++i)
            f(((b * g.groups * g.in_group) + first_in + i) * in_size + position,
              (o * g.in_group + i) * kernel_size + kernel, (b * g.groups * g.out_group + o) * out_size + out);
        }
      }
    }
}

// All three sum in double.
void reference_conv(const Call& call) {
  const Geometry g = conv_geometry(call.inputs[0].shape(), call.inputs[1].shape(), call.as<ConvAttributes>());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), w = call.inputs[1].data<T>();
    const auto y = call.outputs[0].data<T>();
    std::vector<double> sum(y.size(), 0.0);
    if (call.has(2)) {
      const auto bias = call.inputs[2].data<T>();
      const size_t channels = bias.size(),
                   positions = channels == 0 ? 0 : y.size() / (static_cast<size_t>(g.batch) * channels);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = bias[i / positions % channels];
    }
    for_each_product(g, [&](int64_t ix, int64_t iw, int64_t iy) {
      sum[static_cast<size_t>(iy)] += double(x[static_cast<size_t>(ix)]) * double(w[static_cast<size_t>(iw)]);
    });
    for (size_t i = 0; i < y.size(); ++i) y[i] = T(sum[i]);
  });
}

void reference_input_gradient(const Call& call) {
  const auto& a = call.as<ConvAdjointAttributes>();
  const Shape& w_shape = call.inputs[1].shape();
  const Geometry g =
      geometry(call.outputs[0].shape(), w_shape, a.groups, {kernel_of(w_shape), a.stride, a.dilation, a.pad});
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>(), w = call.inputs[1].data<T>();
    const auto dx = call.outputs[0].data<T>();
    std::vector<double> sum(dx.size(), 0.0);
    for_each_product(g, [&](int64_t ix, int64_t iw, int64_t iy) {
      sum[static_cast<size_t>(ix)] += double(d[static_cast<size_t>(iy)]) * double(w[static_cast<size_t>(iw)]);
    });
    for (size_t i = 0; i < dx.size(); ++i) dx[i] = T(sum[i]);
  });
}

void reference_weight_gradient(const Call& call) {
  const auto& a = call.as<ConvAdjointAttributes>();
  const Geometry g =
      geometry(call.inputs[0].shape(), call.outputs[0].shape(), a.groups, {a.sizes, a.stride, a.dilation, a.pad});
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), d = call.inputs[1].data<T>();
    const auto dw = call.outputs[0].data<T>();
    std::vector<double> sum(dw.size(), 0.0);
    for_each_product(g, [&](int64_t ix, int64_t iw, int64_t iy) {
      sum[static_cast<size_t>(iw)] += double(x[static_cast<size_t>(ix)]) * double(d[static_cast<size_t>(iy)]);
    });
    for (size_t i = 0; i < dw.size(); ++i) dw[i] = T(sum[i]);
  });
}

struct Sample {
  std::string name;
  Shape x, w;
  ConvAttributes a;
};

std::vector<Sample> samples() {
  return {{"1d", {2, 3, 9}, {4, 3, 3}, {.pad = 1}},
          {"1d_strided_dilated", {1, 2, 17}, {3, 2, 3}, {.stride = 2, .dilation = 3, .pad = {2, 1}}},
          {"2d", {2, 3, 7, 5}, {4, 3, 3, 3}, {.pad = 1}},
          {"2d_wide", {1, 16, 12, 11}, {32, 16, 3, 3}, {.pad = 1}},
          {"2d_1x1", {2, 16, 5, 6}, {16, 16, 1, 1}, {}},
          {"2d_1x1_strided", {1, 8, 7, 7}, {16, 8, 1, 1}, {.stride = 2}},
          {"2d_5x5", {1, 3, 11, 13}, {6, 3, 5, 5}, {.stride = {2, 1}, .pad = 2}},
          {"2d_7x7_stride2", {1, 3, 23, 21}, {16, 3, 7, 7}, {.stride = 2, .pad = 3}},
          {"2d_asymmetric", {1, 3, 8, 9}, {5, 3, 4, 2}, {.stride = 2, .pad = {0, 1, 2, 1}}},
          {"2d_dilated", {1, 2, 11, 12}, {3, 2, 3, 3}, {.dilation = {2, 3}, .pad = 2}},
          {"2d_small_maps", {3, 16, 2, 2}, {32, 16, 3, 3}, {.pad = 1}},
          {"2d_small_maps_strided", {2, 32, 2, 3}, {16, 32, 3, 3}, {.stride = 2, .pad = 1}},
          {"2d_one_position", {5, 16, 1, 1}, {16, 16, 5, 3}, {.pad = {2, 1, 2, 1}}},
          {"2d_groups", {2, 6, 6, 5}, {8, 3, 3, 3}, {.pad = 1, .groups = 2}},
          {"2d_groups_wide", {1, 32, 7, 7}, {32, 16, 3, 3}, {.pad = 1, .groups = 2}},
          {"2d_depthwise", {1, 5, 7, 6}, {5, 1, 3, 3}, {.pad = 1, .groups = 5}},
          {"2d_same_upper", {1, 2, 7, 8}, {3, 2, 3, 2}, {.stride = 2, .auto_pad = "same_upper"}},
          {"2d_same_lower", {1, 2, 7, 8}, {3, 2, 4, 3}, {.stride = 3, .auto_pad = "same_lower"}},
          {"3d", {1, 2, 4, 5, 3}, {3, 2, 2, 3, 3}, {.stride = {1, 2, 1}, .pad = {0, 1, 1, 1, 1, 0}}}};
}

std::vector<Case> conv_cases() {
  std::vector<Case> result;
  for (const Sample& s : samples()) {
    result.push_back(
        {.name = s.name,
         .inputs = {{.type = {DType::f32, s.x}}, {.type = {DType::f32, s.w}}, {.type = {DType::f32, {s.w[0]}}}},
         .attributes = s.a});
    if (s.name == "2d")
      result.push_back({.name = "2d_no_bias",
                        .inputs = {{.type = {DType::f32, s.x}}, {.type = {DType::f32, s.w}}},
                        .attributes = s.a});
  }
  return result;
}

std::vector<Case> adjoint_cases(bool input) {
  std::vector<Case> result;
  for (const Sample& s : samples()) {
    const Geometry g = conv_geometry(s.x, s.w, s.a);
    const Shape d = output_shape(s.x[0], s.w[0], g.axes);
    const Ints sizes = input ? Ints(s.x.begin() + 2, s.x.end()) : kernel_of(s.w);
    const ConvAdjointAttributes a{s.a.stride, s.a.dilation, explicit_pad(g.axes), s.a.groups, sizes};
    if (input)
      result.push_back(
          {.name = s.name, .inputs = {{.type = {DType::f32, d}}, {.type = {DType::f32, s.w}}}, .attributes = a});
    else
      result.push_back(
          {.name = s.name, .inputs = {{.type = {DType::f32, s.x}}, {.type = {DType::f32, d}}}, .attributes = a});
  }
  return result;
}
std::vector<Case> input_gradient_cases() { return adjoint_cases(true); }
std::vector<Case> weight_gradient_cases() { return adjoint_cases(false); }

// Multiply-adds are counted as everyone counts them: padding included.
Cost product_cost(const Shape& y, const Shape& w, bool bias) {
  const double macs = static_cast<double>(y.count()) * static_cast<double>(w.count(1, w.rank()));
  return {.flops = 2 * macs + (bias ? static_cast<double>(y.count()) : 0), .macs = macs};
}
Cost conv_cost(const Node& node, std::span<const Type> in) {
  return product_cost(node.outputs[0].shape, in[1].shape, in.size() > 2 && node.inputs[2]);
}
Cost input_gradient_cost(const Node&, std::span<const Type> in) {
  return product_cost(in[0].shape, in[1].shape, false);
}
Cost weight_gradient_cost(const Node& node, std::span<const Type> in) {
  return product_cost(in[1].shape, node.outputs[0].shape, false);
}

}  // namespace

namespace ops {
const Op conv = {.name = "conv",
                 .doc = "y[n,o,p] = bias[o] + sum over i,k of x[n,i,p*stride-pad+k*dilation] * w[o,i,k]",
                 .attributes = &ConvAttributes::info,
                 .infer = infer_conv,
                 .gradient = differentiate_conv,
                 .reference = reference_conv,
                 .cases = conv_cases,
                 .cost = conv_cost};
const Op conv_input_gradient = {.name = "conv_input_gradient",
                                .doc = "the adjoint of conv in its input",
                                .attributes = &ConvAdjointAttributes::info,
                                .infer = infer_input_gradient,
                                .gradient = differentiate_input_gradient,
                                .reference = reference_input_gradient,
                                .cases = input_gradient_cases,
                                .cost = input_gradient_cost,
                                .zero_in_zero_out = 3};
const Op conv_weight_gradient = {.name = "conv_weight_gradient",
                                 .doc = "the adjoint of conv in its weight",
                                 .attributes = &ConvAdjointAttributes::info,
                                 .infer = infer_weight_gradient,
                                 .gradient = differentiate_weight_gradient,
                                 .reference = reference_weight_gradient,
                                 .cases = weight_gradient_cases,
                                 .cost = weight_gradient_cost,
                                 .zero_in_zero_out = 3};
}  // namespace ops

Value conv(Graph& graph, Value x, Value weight, Value bias, ConvAttributes attributes) {
  std::vector<Value> inputs{x, weight};
  if (bias) inputs.push_back(bias);
  return graph.add(ops::conv, std::move(inputs), std::move(attributes));
}
Value conv_input_gradient(Graph& graph, Value d, Value weight, ConvAdjointAttributes attributes) {
  return graph.add(ops::conv_input_gradient, {d, weight}, std::move(attributes));
}
Value conv_weight_gradient(Graph& graph, Value x, Value d, ConvAdjointAttributes attributes) {
  return graph.add(ops::conv_weight_gradient, {x, d}, std::move(attributes));
}

}  // namespace fovea
