// resize:          y = (the weights of each axis) applied to x; the extrapolation value beyond a cropped region
// resize_gradient: the transposed weights applied to d
//
// The weights (resize_weights.cpp) depend on shapes and attributes only, so both are linear and each other's adjoint.
// Integers are computed in double and truncated.
// Source: ONNX Resize-19, Upsample-9.
#include "fovea/ops/resize.h"

#include "fovea/ops/input.h"
#include "fovea/ops/resize_weights.h"

namespace fovea {

namespace {

std::vector<double> doubles_of(const Inference& in, size_t i, std::string_view what) {
  return in.has(i) && in.shape(i).count() > 0 ? in.doubles(i, what) : std::vector<double>{};
}
std::vector<int64_t> sizes_of(const Inference& in, size_t i) {
  return in.has(i) && in.shape(i).count() > 0 ? in.ints(i, "the new size") : std::vector<int64_t>{};
}

// Shape of the result; checks everything that the reference will rely on.
Shape checked_shape(const Inference& in, const Shape& x) {
  const auto& a = in.as<ResizeAttributes>();
  const auto roi = doubles_of(in, 1, "the region");
  const auto scales = doubles_of(in, 2, "the scale");
  const auto sizes = sizes_of(in, 3);
  const Shape y = resized_shape(x, scales, sizes, a);
  require(is_sane(y, 8), ErrorKind::shape, "resized shape {} is too large", to_string(y));
  if (a.coordinates == "tf_crop_and_resize") {
    const size_t axes = a.axes.empty() ? x.size() : a.axes.size();
    require(roi.size() == 2 * axes, ErrorKind::shape, "{} values of roi for {} axes", roi.size(), axes);
  }
  return y;
}

Inferred infer(const Inference& in) {
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "cannot resize bool");
  return Type{in.dtype(0), checked_shape(in, in.shape(0))};
}

Inferred infer_gradient(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  const Shape x = in.as<ResizeAttributes>().shape;
  require(is_sane(x, 8), ErrorKind::shape, "shape {} is negative or too large", to_string(x));
  const Shape y = checked_shape(in, x);
  require(y == in.shape(0), ErrorKind::shape, "gradient is {}, resizing {} gives {}", to_string(in.shape(0)),
          to_string(x), to_string(y));
  return Type{in.dtype(0), x};
}

std::vector<Value> differentiate(const Differentiation& d) {
  auto a = d.as<ResizeAttributes>();
  a.shape = Ints(d.shape(d.input(0)));
  return {resize_gradient(d.graph, d.d_output(), d.input(1), d.input(2), d.input(3), a)};
}

std::vector<Value> differentiate_gradient(const Differentiation& d) {
  auto a = d.as<ResizeAttributes>();
  a.shape = {};
  a.extrapolation = 0;
  return {resize(d.graph, d.d_output(), d.input(1), d.input(2), d.input(3), a)};
}

std::vector<ResizeAxis> axes_of(const Call& call, const Shape& x) {
  const auto doubles = [&](size_t i) { return call.has(i) ? call.inputs[i].to_doubles() : std::vector<double>{}; };
  const auto sizes = call.has(3) ? call.inputs[3].to_ints() : std::vector<int64_t>{};
  return resize_axes(x, doubles(1), doubles(2), sizes, call.as<ResizeAttributes>());
}

// Applies the weights of one axis, or their transpose; `shape` becomes the result's.
std::vector<double> apply(const std::vector<double>& x, Shape& shape, const ResizeAxis& a, bool transposed) {
  const int64_t axis = static_cast<int64_t>(a.axis), inner = shape.count(axis + 1, shape.rank()),
                outer = shape.count(0, axis);
  const int64_t from = transposed ? a.output : a.input, to = transposed ? a.input : a.output;
  std::vector<double> y(static_cast<size_t>(outer * to * inner), 0.0);
  for (int64_t block = 0; block < outer; ++block)
    for (int64_t o = 0; o < a.output; ++o)
      for (size_t k = 0; k < a.weights[static_cast<size_t>(o)].size(); ++k) {
        const int64_t i = a.indices[static_cast<size_t>(o)][k];
        const double weight = a.weights[static_cast<size_t>(o)][k];
        const double* source = x.data() + (block * from + (transposed ? o : i)) * inner;
        double* target = y.data() + (block * to + (transposed ? i : o)) * inner;
        for (int64_t p = 0; p < inner; ++p) target[p] += weight * source[p];
      }
  shape[a.axis] = to;
  return y;
}

void reference(const Call& call) {
  Shape shape = call.inputs[0].shape();
  const std::vector<ResizeAxis> axes = axes_of(call, shape);
  std::vector<double> y(static_cast<size_t>(shape.count()));
  for (size_t i = 0; i < y.size(); ++i) y[i] = call.inputs[0].at(static_cast<int64_t>(i));
  for (const ResizeAxis& axis : axes) y = apply(y, shape, axis, false);
  const double extrapolation = call.as<ResizeAttributes>().extrapolation;
  for (const ResizeAxis& axis : axes) {
    const int64_t inner = shape.count(static_cast<int64_t>(axis.axis) + 1, shape.rank());
    for (size_t i = 0; i < y.size(); ++i)
      if (axis.outside[static_cast<size_t>(static_cast<int64_t>(i) / inner % axis.output)]) y[i] = extrapolation;
  }
  for (size_t i = 0; i < y.size(); ++i) call.outputs[0].set(static_cast<int64_t>(i), y[i]);
}

void reference_gradient(const Call& call) {
  Shape shape = call.inputs[0].shape();
  std::vector<double> x = call.inputs[0].to_doubles();
  for (const ResizeAxis& axis : axes_of(call, call.outputs[0].shape())) x = apply(x, shape, axis, true);
  for (size_t i = 0; i < x.size(); ++i) call.outputs[0].set(static_cast<int64_t>(i), x[i]);
}

struct Sample {
  std::string name;
  Shape x;
  std::vector<double> roi, scales;
  std::vector<int64_t> sizes;
  ResizeAttributes a;
};

std::vector<Sample> samples() {
  const Shape x{2, 3, 5, 7};
  const std::vector<double> up{1, 1, 2, 1.7}, down{1, 1, 0.6, 0.7};
  std::vector<Sample> all = {
      {"upsample", x, {}, {1, 1, 2, 3}, {}, {.coordinates = "asymmetric", .nearest = "floor"}},
      {"prefer_floor", x, {}, down, {}, {}},
      {"prefer_ceil", x, {}, up, {}, {.coordinates = "asymmetric", .nearest = "round_prefer_ceil"}},
      {"ceil", x, {}, {}, {2, 3, 8, 4}, {.nearest = "ceil"}},
      {"linear_up", x, {}, up, {}, {.mode = "linear"}},
      {"linear_down", x, {}, down, {}, {.mode = "linear"}},
      {"linear_align_corners", x, {}, {}, {2, 3, 9, 4}, {.mode = "linear", .coordinates = "align_corners"}},
      {"linear_align_corners_one", x, {}, {}, {2, 3, 1, 4}, {.mode = "linear", .coordinates = "align_corners"}},
      {"linear_pytorch", x, {}, {}, {2, 3, 1, 4}, {.mode = "linear", .coordinates = "pytorch_half_pixel"}},
      {"linear_symmetric", x, {}, down, {}, {.mode = "linear", .coordinates = "half_pixel_symmetric"}},
      {"linear_antialias", x, {}, down, {}, {.mode = "linear", .antialias = true}},
      {"cubic_up", x, {}, up, {}, {.mode = "cubic"}},
      {"cubic_exclude", x, {}, down, {}, {.mode = "cubic", .cubic_coefficient = -0.5, .exclude_outside = true}},
      {"cubic_antialias", x, {}, {}, {2, 3, 2, 3}, {.mode = "cubic", .antialias = true}},
      {"crop",
       x,
       {0.3, 0.2, 0.8, 1.3},
       {},
       {4, 3},
       {.mode = "linear", .coordinates = "tf_crop_and_resize", .extrapolation = 10, .axes = {3, 2}}},
      {"crop_same_size",
       x,
       {0.3, 0.2, 0.8, 0.9},
       {},
       {5, 7},
       {.mode = "linear", .coordinates = "tf_crop_and_resize", .axes = {2, 3}}},
      {"not_larger", x, {}, {}, {9, 9}, {.mode = "linear", .axes = {2, 3}, .aspect = "not_larger"}},
      {"not_smaller", x, {}, {}, {9, 9}, {.mode = "linear", .axes = {2, 3}, .aspect = "not_smaller"}},
      {"1d", {2, 2, 9}, {}, {1, 1, 1.5}, {}, {.mode = "linear"}},
      {"3d", {1, 2, 3, 4, 3}, {}, {}, {1, 2, 5, 3, 6}, {.mode = "linear"}}};
  return all;
}

std::vector<Case> cases_of(bool adjoint) {
  std::vector<Case> result;
  for (Sample& s : samples()) {
    const auto given = [](Tensor t) {
      return Case::Input{.type = {t.dtype(), t.shape()}, .value = t, .differentiate = false, .given = t.count() > 0};
    };
    const auto vector = [](const std::vector<double>& v) {
      return Tensor::of<double>({static_cast<int64_t>(v.size())}, v);
    };
    const Shape y = resized_shape(s.x, s.scales, s.sizes, s.a);
    if (adjoint) s.a.shape = Ints(s.x);
    result.push_back({.name = s.name,
                      .inputs = {{.type = {DType::f32, adjoint ? y : s.x}},
                                 given(vector(s.roi)),
                                 given(vector(s.scales)),
                                 given(Tensor::ints(s.sizes))},
                      .attributes = s.a});
  }
  return result;
}
std::vector<Case> cases() { return cases_of(false); }
std::vector<Case> gradient_cases() { return cases_of(true); }

// A multiply-add for each of the kernel's elements, once an axis.
double kernel_flops(const Node& node, const Shape& y) {
  const auto& mode = node.attributes.as<ResizeAttributes>().mode;
  return static_cast<double>(y.count()) * (mode == "nearest" ? 1 : mode == "linear" ? 8 : 16);
}
Cost cost(const Node& node, std::span<const Type>) { return {.flops = kernel_flops(node, node.outputs[0].shape)}; }
Cost gradient_cost(const Node& node, std::span<const Type> in) { return {.flops = kernel_flops(node, in[0].shape)}; }

std::vector<Value> trimmed(Value x, Value roi, Value scales, Value sizes) {
  std::vector<Value> inputs{x, roi, scales, sizes};
  while (!inputs.back()) inputs.pop_back();
  return inputs;
}

}  // namespace

namespace ops {
const Op resize = {.name = "resize",
                   .doc = "interpolates to another size",
                   .attributes = &ResizeAttributes::info,
                   .infer = infer,
                   .gradient = differentiate,
                   .reference = reference,
                   .cases = cases,
                   .cost = cost};
const Op resize_gradient = {.name = "resize_gradient",
                            .doc = "the adjoint of resize",
                            .attributes = &ResizeAttributes::info,
                            .infer = infer_gradient,
                            .gradient = differentiate_gradient,
                            .reference = reference_gradient,
                            .cases = gradient_cases,
                            .cost = gradient_cost,
                            .zero_in_zero_out = 1};
}  // namespace ops

Value resize(Graph& graph, Value x, Value roi, Value scales, Value sizes, ResizeAttributes attributes) {
  return graph.add(ops::resize, trimmed(x, roi, scales, sizes), std::move(attributes));
}
Value resize_gradient(Graph& graph, Value d, Value roi, Value scales, Value sizes, ResizeAttributes attributes) {
  return graph.add(ops::resize_gradient, trimmed(d, roi, scales, sizes), std::move(attributes));
}

Value resize_to(Graph& graph, Value x, Ints sizes, ResizeAttributes attributes) {
  const int64_t rank = graph.shape(x).rank();
  require(rank >= 3 && static_cast<int64_t>(sizes.size()) == rank - 2, ErrorKind::shape, "resize: {} sizes for {}",
          sizes.size(), to_string(graph.shape(x)));
  attributes.axes.clear();
  for (int64_t k = 2; k < rank; ++k) attributes.axes.push_back(k);
  return resize(graph, x, {}, {}, ints(graph, sizes), std::move(attributes));
}

}  // namespace fovea
