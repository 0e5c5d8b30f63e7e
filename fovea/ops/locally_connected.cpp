// locally_connected:                 y[n,o,p] = bias[o,p] + Σ_{i,k} x[n, i, p·stride − pad + k·dilation] · w[p,o,i,k]
// locally_connected_input_gradient:  the adjoint in x;  locally_connected_weight_gradient: the adjoint in w, Σ_n x · d
// Positions outside of the input count as 0. The three are closed under differentiation, as conv and its adjoints are.
// Source: Taigman et al., "DeepFace", CVPR 2014, section 3; LeCun, "Generalization and network design strategies",
// 1989.
#include "fovea/ops/locally_connected.h"

#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

struct Geometry {
  int64_t batch, in, out;  // samples, input and output channels
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  std::vector<WindowAxis> axes;
};

Ints kernel_of(const Shape& w) { return Ints(w.begin() + 3, w.end()); }

template <class A>
Geometry geometry(const Shape& x, const Shape& w, const A& a) {
  require(x.rank() >= 3 && w.rank() == x.rank() + 1, ErrorKind::shape,
          "input is {}, weight is {}: expected N,I,spatial and P,O,I,kernel", to_string(x), to_string(w));
  require(w[2] == x[1], ErrorKind::shape, "input has {} channels, weight expects {}", x[1], w[2]);
  const Ints kernel = kernel_of(w);
  Geometry g{.batch = x[0],
             .in = x[1],
             .out = w[1],
             .axes = window_axes(spatial_sizes(x), {kernel, a.stride, a.dilation, a.pad})};
  for (const WindowAxis& axis : g.axes)
    g.in_size *= axis.input, g.out_size *= axis.output, g.kernel_size *= axis.kernel;
  require(w[0] == g.out_size, ErrorKind::shape, "weight has {} positions, the output has {}", w[0], g.out_size);
  return g;
}

Shape output_shape(const Geometry& g) {
  Shape y{g.batch, g.out};
  for (const WindowAxis& axis : g.axes) y.push_back(axis.output);
  return y;
}

void require_float(const Inference& in) {
  for (size_t i = 0; i < in.count(); ++i)
    if (in.has(i))
      require(in.dtype(i) == in.dtype(0) && (in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64), ErrorKind::type,
              "computes in f32; input {} is {}", i, to_string(in.dtype(i)));
}

Inferred infer(const Inference& in) {
  require_float(in);
  const Shape y = output_shape(geometry(in.shape(0), in.shape(1), in.as<LocallyConnectedAttributes>()));
  const Shape bias(y.begin() + 1, y.end());
  if (in.has(2))
    require(in.shape(2) == bias, ErrorKind::shape, "bias is {}, expected {}", to_string(in.shape(2)), to_string(bias));
  return Type{in.dtype(0), y};
}

void check_gradient(const Shape& d, const Geometry& g) {
  require(d == output_shape(g), ErrorKind::shape, "gradient is {}, expected {}", to_string(d),
          to_string(output_shape(g)));
}

Inferred infer_input_gradient(const Inference& in) {
  require_float(in);
  const auto& a = in.as<LocallyConnectedAdjointAttributes>();
  const Shape &d = in.shape(0), &w = in.shape(1);
  require(d.rank() >= 3 && w.rank() == d.rank() + 1 && a.sizes.size() + 2 == d.size(), ErrorKind::shape,
          "gradient {}, weight {}, sizes {} do not match", to_string(d), to_string(w), to_string(a.sizes));
  Shape x{d[0], w[2]};
  x.insert(x.end(), a.sizes.begin(), a.sizes.end());
  check_gradient(d, geometry(x, w, a));
  return Type{in.dtype(0), x};
}

Inferred infer_weight_gradient(const Inference& in) {
  require_float(in);
  const auto& a = in.as<LocallyConnectedAdjointAttributes>();
  const Shape &x = in.shape(0), &d = in.shape(1);
  require(x.rank() >= 3 && d.rank() == x.rank() && a.sizes.size() + 2 == x.size(), ErrorKind::shape,
          "input {}, gradient {}, kernel {} do not match", to_string(x), to_string(d), to_string(a.sizes));
  Shape w{d.count(2, d.rank()), d[1], x[1]};
  w.insert(w.end(), a.sizes.begin(), a.sizes.end());
  check_gradient(d, geometry(x, w, a));
  return Type{in.dtype(0), w};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto a = d.as<LocallyConnectedAttributes>();
  const Shape x = d.shape(d.input(0)), w = d.shape(d.input(1));
  std::vector<Value> result(d.node.inputs.size());
  if (d.wanted[0])
    result[0] = locally_connected_input_gradient(d.graph, d.d_output(), d.input(1),
                                                 {a.stride, a.dilation, a.pad, Ints(x.begin() + 2, x.end())});
  if (d.wanted[1])
    result[1] = locally_connected_weight_gradient(d.graph, d.input(0), d.d_output(),
                                                  {a.stride, a.dilation, a.pad, kernel_of(w)});
  if (d.input(2) && d.wanted[2]) result[2] = reduce(d.graph, d.d_output(), {.kind = "sum", .axes = 0});
  return result;
}

std::vector<Value> differentiate_input_gradient(const Differentiation& d) {
  const auto a = d.as<LocallyConnectedAdjointAttributes>();
  const Shape w = d.shape(d.input(1));
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = locally_connected(d.graph, d.d_output(), d.input(1), {}, {a.stride, a.dilation, a.pad});
  if (d.wanted[1])
    result[1] = locally_connected_weight_gradient(d.graph, d.d_output(), d.input(0),
                                                  {a.stride, a.dilation, a.pad, kernel_of(w)});
  return result;
}

std::vector<Value> differentiate_weight_gradient(const Differentiation& d) {
  const auto a = d.as<LocallyConnectedAdjointAttributes>();
  const Shape x = d.shape(d.input(0));
  std::vector<Value> result(2);
  if (d.wanted[0])
    result[0] = locally_connected_input_gradient(d.graph, d.input(1), d.d_output(),
                                                 {a.stride, a.dilation, a.pad, Ints(x.begin() + 2, x.end())});
  if (d.wanted[1]) result[1] = locally_connected(d.graph, d.input(0), d.d_output(), {}, {a.stride, a.dilation, a.pad});
  return result;
}

// Calls f(x offset, w offset, y offset) for every multiply-add.
template <class F>
void for_each_product(const Geometry& g, F f) {
  for_each_window_element(g.axes, [&](const WindowElement& e) {
    if (e.input < 0) return;
    for (int64_t n = 0; n < g.batch; ++n)
      for (int64_t o = 0; o < g.out; ++o)
        for (int64_t i = 0; i < g.in; ++i)
          f(static_cast<size_t>((n * g.in + i) * g.in_size + e.input),
            static_cast<size_t>(((e.output * g.out + o) * g.in + i) * g.kernel_size + e.kernel),
            static_cast<size_t>((n * g.out + o) * g.out_size + e.output));
  });
}

// All three sum in double.
void reference(const Call& call) {
  const Geometry g = geometry(call.inputs[0].shape(), call.inputs[1].shape(), call.as<LocallyConnectedAttributes>());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), w = call.inputs[1].data<T>();
    const auto y = call.outputs[0].data<T>();
    std::vector<double> sum(y.size(), 0.0);
    if (call.has(2)) {
      const auto bias = call.inputs[2].data<T>();
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = double(bias[i % bias.size()]);
    }
    for_each_product(g, [&](size_t ix, size_t iw, size_t iy) { sum[iy] += double(x[ix]) * double(w[iw]); });
    for (size_t i = 0; i < y.size(); ++i) y[i] = T(sum[i]);
  });
}

void reference_input_gradient(const Call& call) {
  const auto& a = call.as<LocallyConnectedAdjointAttributes>();
  const Geometry g = geometry(call.outputs[0].shape(), call.inputs[1].shape(), a);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>(), w = call.inputs[1].data<T>();
    const auto dx = call.outputs[0].data<T>();
    std::vector<double> sum(dx.size(), 0.0);
    for_each_product(g, [&](size_t ix, size_t iw, size_t iy) { sum[ix] += double(d[iy]) * double(w[iw]); });
    for (size_t i = 0; i < dx.size(); ++i) dx[i] = T(sum[i]);
  });
}

void reference_weight_gradient(const Call& call) {
  const auto& a = call.as<LocallyConnectedAdjointAttributes>();
  const Geometry g = geometry(call.inputs[0].shape(), call.outputs[0].shape(), a);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), d = call.inputs[1].data<T>();
    const auto dw = call.outputs[0].data<T>();
    std::vector<double> sum(dw.size(), 0.0);
    for_each_product(g, [&](size_t ix, size_t iw, size_t iy) { sum[iw] += double(x[ix]) * double(d[iy]); });
    for (size_t i = 0; i < dw.size(); ++i) dw[i] = T(sum[i]);
  });
}

struct Sample {
  std::string name;
  Shape x, w, y;
  LocallyConnectedAttributes a;
};
std::vector<Sample> samples() {
  return {{"1d", {2, 3, 7}, {5, 2, 3, 3}, {2, 2, 5}, {}},
          {"2d", {2, 3, 5, 4}, {20, 4, 3, 3, 3}, {2, 4, 5, 4}, {.pad = 1}},
          {"strided", {1, 2, 7, 6}, {6, 3, 2, 3, 2}, {1, 3, 2, 3}, {.stride = {3, 2}}},
          {"dilated", {1, 2, 7, 5}, {21, 2, 2, 2, 2}, {1, 2, 7, 3}, {.dilation = 2, .pad = {1, 0, 1, 0}}}};
}
std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Sample& s : samples()) {
    const Case::Input x{.type = {DType::f32, s.x}}, w{.type = {DType::f32, s.w}};
    result.push_back({.name = s.name,
                      .inputs = {x, w, {.type = {DType::f32, Shape(s.y.begin() + 1, s.y.end())}}},
                      .attributes = s.a});
    if (s.name == "2d") result.push_back({.name = "no_bias", .inputs = {x, w}, .attributes = s.a});
  }
  return result;
}
std::vector<Case> adjoint_cases(bool input) {
  std::vector<Case> result;
  for (const Sample& s : samples()) {
    const Ints sizes = input ? Ints(s.x.begin() + 2, s.x.end()) : kernel_of(s.w);
    const Case::Input x{.type = {DType::f32, s.x}}, w{.type = {DType::f32, s.w}}, d{.type = {DType::f32, s.y}};
    Case test{.name = s.name,
              .attributes = LocallyConnectedAdjointAttributes{s.a.stride, s.a.dilation, s.a.pad, sizes}};
    if (input) test.inputs = {d, w};
    else test.inputs = {x, d};
    result.push_back(std::move(test));
  }
  return result;
}
std::vector<Case> input_gradient_cases() { return adjoint_cases(true); }
std::vector<Case> weight_gradient_cases() { return adjoint_cases(false); }

Cost product_cost(int64_t batch, const Shape& w) {
  const double macs = static_cast<double>(batch) * static_cast<double>(w.count());
  return {.flops = 2 * macs, .macs = macs};
}
Cost cost(const Node&, std::span<const Type> in) { return product_cost(in[0].shape[0], in[1].shape); }
Cost weight_gradient_cost(const Node& node, std::span<const Type> in) {
  return product_cost(in[0].shape[0], node.outputs[0].shape);
}

}  // namespace

namespace ops {
const Op locally_connected = {.name = "locally_connected",
                              .doc = "a convolution with separate weights at each position",
                              .attributes = &LocallyConnectedAttributes::info,
                              .infer = infer,
                              .gradient = differentiate,
                              .reference = reference,
                              .cases = cases,
                              .cost = cost};
const Op locally_connected_input_gradient = {.name = "locally_connected_input_gradient",
                                             .doc = "the adjoint of locally_connected in its input",
                                             .attributes = &LocallyConnectedAdjointAttributes::info,
                                             .infer = infer_input_gradient,
                                             .gradient = differentiate_input_gradient,
                                             .reference = reference_input_gradient,
                                             .cases = input_gradient_cases,
                                             .cost = cost,
                                             .zero_in_zero_out = 3};
const Op locally_connected_weight_gradient = {.name = "locally_connected_weight_gradient",
                                              .doc = "the adjoint of locally_connected in its weight",
                                              .attributes = &LocallyConnectedAdjointAttributes::info,
                                              .infer = infer_weight_gradient,
                                              .gradient = differentiate_weight_gradient,
                                              .reference = reference_weight_gradient,
                                              .cases = weight_gradient_cases,
                                              .cost = weight_gradient_cost,
                                              .zero_in_zero_out = 3};
}  // namespace ops

Value locally_connected(Graph& graph, Value x, Value weight, Value bias, LocallyConnectedAttributes attributes) {
  std::vector<Value> inputs{x, weight};
  if (bias) inputs.push_back(bias);
  return graph.add(ops::locally_connected, std::move(inputs), std::move(attributes));
}
Value locally_connected_input_gradient(Graph& graph, Value d, Value weight,
                                       LocallyConnectedAdjointAttributes attributes) {
  return graph.add(ops::locally_connected_input_gradient, {d, weight}, std::move(attributes));
}
Value locally_connected_weight_gradient(Graph& graph, Value x, Value d, LocallyConnectedAdjointAttributes attributes) {
  return graph.add(ops::locally_connected_weight_gradient, {x, d}, std::move(attributes));
}

}  // namespace fovea
