// max_pool: y[n,c,p] = max_k x[n,c,p·stride − pad + k·dilation], padding counts as −∞; the first of equal maxima wins
// (row-major); NaN wins.
//           switches[n,c,p] = the position of that element in its H·W plane.
// unpool:   x[n,c,switch] += d[n,c,p]
// Ceil mode keeps a last, partial window only if it starts inside the input or its begin padding.
// Source: ONNX MaxPool-12; Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014
// (switches).
#include "fovea/ops/max_pool.h"

#include <limits>

#include "fovea/ops/take_switches.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

std::vector<WindowAxis> axes_of(const Shape& x, const MaxPoolAttributes& a) {
  const auto axes = window_axes(spatial_sizes(x), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  for (const WindowAxis& axis : axes)
    require(axis.pad_begin < (axis.kernel - 1) * axis.dilation + 1, ErrorKind::shape,
            "padding {} is not smaller than the window {}", axis.pad_begin, axis.kernel);
  return axes;
}

Inferred infer(const Inference& in) {
  require(in.dtype(0) != DType::boolean && in.dtype(0) != DType::f16 && in.dtype(0) != DType::bf16, ErrorKind::type,
          "cannot pool {}", to_string(in.dtype(0)));
  Shape y{in.shape(0)[0], in.shape(0).rank() > 1 ? in.shape(0)[1] : 0};
  for (const WindowAxis& axis : axes_of(in.shape(0), in.as<MaxPoolAttributes>())) y.push_back(axis.output);
  return std::vector<Type>{{in.dtype(0), y}, {DType::i32, y}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape x = d.shape(d.input(0));
  return {unpool(d.graph, d.d_output(), d.outputs[1], Ints(x.begin() + 2, x.end()))};
}

void reference(const Call& call) {
  const Shape& shape = call.inputs[0].shape();
  const auto axes = axes_of(shape, call.as<MaxPoolAttributes>());
  const size_t n = axes.size();
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  for (const WindowAxis& a : axes) in_size *= a.input, out_size *= a.output, kernel_size *= a.kernel;
  const auto switches = call.outputs[1].data<int32_t>();
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, f16> && !std::is_same_v<T, bf16> && !std::is_same_v<T, bool>) {
      const T* x = call.inputs[0].data<T>().data();
      T* y = call.outputs[0].data<T>().data();
      for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane)
        for (int64_t out = 0; out < out_size; ++out) {
          int64_t best = -1;
          for (int64_t kernel = 0; kernel < kernel_size; ++kernel) {
            int64_t at = 0, stride = 1, p = out, k = kernel;
            bool inside = true;
            for (size_t axis = n; axis-- > 0;) {
              const WindowAxis& a = axes[axis];
              const int64_t i = a.at(p % a.output, k % a.kernel);
              p /= a.output;
              k /= a.kernel;
              inside = inside && i >= 0 && i < a.input;
              at += i * stride;
              stride *= a.input;
            }
            if (!inside) continue;
            const T v = x[plane * in_size + at];
            if (best < 0 || v > x[plane * in_size + best] ||
                (v != v && x[plane * in_size + best] == x[plane * in_size + best]))
              best = at;
          }
          y[plane * out_size + out] = best < 0 ? std::numeric_limits<T>::lowest() : x[plane * in_size + best];
          switches[static_cast<size_t>(plane * out_size + out)] = static_cast<int32_t>(std::max<int64_t>(best, 0));
        }
    }
  });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape x, MaxPoolAttributes a) {
    return Case{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(x)}, .distinct = true}},
                .attributes = std::move(a)};
  };
  return {make("2x2", {2, 3, 6, 8}, {.kernel = {2, 2}, .stride = 2}),
          make("3x3_overlapping", {1, 16, 9, 7}, {.kernel = 3, .stride = 2}),
          make("pad", {1, 2, 7, 7}, {.kernel = 3, .stride = 2, .pad = 1}),
          make("ceil", {1, 2, 8, 10}, {.kernel = 3, .stride = 2, .ceil = true}),
          make("ceil_pad", {1, 2, 5, 6}, {.kernel = 2, .stride = 2, .pad = 1, .ceil = true}),
          make("dilated", {1, 2, 8, 9}, {.kernel = 2, .stride = 1, .dilation = 2}),
          make("asymmetric", {1, 2, 6, 5}, {.kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1, 2, 0}}),
          make("1d", {2, 3, 9}, {.kernel = 2, .stride = 2}),
          make("3d", {1, 2, 4, 5, 6}, {.kernel = {2, 3, 2}, .stride = 2}),
          make("same_upper", {1, 2, 7, 6}, {.kernel = 3, .stride = 2, .auto_pad = "same_upper"})};
}

Cost cost(const Node& node, std::span<const Type>) {
  double window = 1;
  const auto& a = node.attributes.as<MaxPoolAttributes>();
  for (size_t axis = 0; axis + 2 < node.outputs[0].shape.size(); ++axis)
    window *= static_cast<double>(axis_value(a.kernel, axis, 1));
  return {.flops = window * static_cast<double>(node.outputs[0].shape.count())};
}

Inferred infer_unpool(const Inference& in) {
  const Shape& d = in.shape(0);
  const auto& sizes = in.as<UnpoolAttributes>().sizes;
  require(in.shape(1) == d && in.dtype(1) == DType::i32, ErrorKind::shape, "switches are {}, expected i32[{}]",
          to_string(in.type(1)), to_string(d));
  require(d.rank() >= 3 && sizes.size() + 2 == d.size(), ErrorKind::shape, "{} sizes for input {}", sizes.size(),
          to_string(d));
  Shape x{d[0], d[1]};
  x.insert(x.end(), sizes.begin(), sizes.end());
  return Type{in.dtype(0), x};
}

std::vector<Value> differentiate_unpool(const Differentiation& d) {
  return {take_switches(d.graph, d.d_output(), d.input(1)), {}};
}

void reference_unpool(const Call& call) {
  const Shape& from = call.inputs[0].shape();
  const int64_t planes = from[0] * from[1], positions = from.count(2, from.rank());
  const Shape& to = call.outputs[0].shape();
  const int64_t size = to.count(2, to.rank());
  const auto switches = call.inputs[1].data<int32_t>();
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>();
    const auto x = call.outputs[0].data<T>();
    std::fill(x.begin(), x.end(), T(0));
    for (int64_t plane = 0; plane < planes; ++plane)
      for (int64_t p = 0; p < positions; ++p) {
        const int64_t at = switches[static_cast<size_t>(plane * positions + p)];
        if (at >= 0 && at < size)
          x[static_cast<size_t>(plane * size + at)] += d[static_cast<size_t>(plane * positions + p)];
      }
  });
}

std::vector<Case> unpool_cases() {
  const Tensor switches = Tensor::of<int32_t>({1, 2, 2, 2}, {0, 3, 12, 10, 5, 5, 8, 15});
  return {{.name = "4x4",
           .inputs = {{.type = {DType::f32, {1, 2, 2, 2}}},
                      {.type = {DType::i32, {1, 2, 2, 2}}, .value = switches, .differentiate = false}},
           .attributes = UnpoolAttributes{{4, 4}}}};
}

Cost unpool_cost(const Node& node, std::span<const Type>) {
  return {.flops = static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op max_pool = {.name = "max_pool",
                     .doc = "the maximum of each window, and where it was",
                     .attributes = &MaxPoolAttributes::info,
                     .infer = infer,
                     .gradient = differentiate,
                     .reference = reference,
                     .cases = cases,
                     .cost = cost,
                     .zero_in_zero_out = 0};
const Op unpool = {.name = "unpool",
                   .doc = "adds each value to the place its switch names",
                   .attributes = &UnpoolAttributes::info,
                   .infer = infer_unpool,
                   .gradient = differentiate_unpool,
                   .reference = reference_unpool,
                   .cases = unpool_cases,
                   .cost = unpool_cost,
                   .zero_in_zero_out = 1};
}  // namespace ops

Value max_pool(Graph& graph, Value x, MaxPoolAttributes attributes) {
  return graph.add(ops::max_pool, {x}, std::move(attributes));
}
Value unpool(Graph& graph, Value d, Value switches, Ints sizes) {
  return graph.add(ops::unpool, {d, switches}, UnpoolAttributes{std::move(sizes)});
}

}  // namespace fovea
