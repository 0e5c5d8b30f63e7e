// Elementwise operators in whatever layout their operands are: equal shapes, one value for all, or one a channel.
#include "fovea/backend/cpu/kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/ops/channel_affine.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gelu.h"

namespace fovea::cpu {

namespace {

using kernels::Binary;
using kernels::ChannelView;
using kernels::Unary;

float* floats(std::byte* bytes) { return reinterpret_cast<float*>(bytes); }

struct UnaryName {
  std::string_view op;
  Unary f;
  bool keeps_zero;  // f(0) = 0: padded channels stay zero
};
constexpr UnaryName kUnaries[] = {
    {"relu", Unary::relu, true}, {"neg", Unary::neg, true},  {"abs", Unary::abs, true},
    {"sqrt", Unary::sqrt, true}, {"exp", Unary::exp, false}, {"sigmoid", Unary::sigmoid, false},
    {"tanh", Unary::tanh, true}, {"erf", Unary::erf, true},  {"gelu", Unary::gelu, true}};

struct BinaryName {
  std::string_view op;
  Binary f, exchanged;
  bool keeps_zero;    // f(0, 0) = 0
  bool absorbs_zero;  // f(0, x) = 0 for every number x
};
constexpr BinaryName kBinaries[] = {{"add", Binary::add, Binary::add, true, false},
                                    {"sub", Binary::sub, Binary::reversed_sub, true, false},
                                    {"mul", Binary::mul, Binary::mul, true, true},
                                    {"div", Binary::div, Binary::reversed_div, false, false},
                                    {"max", Binary::max, Binary::max, true, false},
                                    {"min", Binary::min, Binary::min, true, false},
                                    {"relu_gradient", Binary::relu_gradient, Binary::relu_gradient, true, false},
                                    {"gelu_gradient", Binary::gelu_gradient, Binary::gelu_gradient, true, false}};

// The form of gelu that a node asks for.
bool by_tanh(const Node& node) {
  return (node.op == &ops::gelu || node.op == &ops::gelu_gradient) &&
         node.attributes.as<GeluAttributes>().approximate == "tanh";
}

Format known_format(const Layout& layout) {
  const Format format = format_of(layout);
  return format == Format::other ? Format::plain : format;
}

// A parameter of `small` shape beside a value `big` in some layout.
struct Broadcast {
  ChannelView view;
  Layout parameter;
};

// The axes [first, end) along which `small`, broadcast to `big`, varies: it must be constant along all others, and have
// the sizes of `big` along these.
std::optional<std::pair<int64_t, int64_t>> varying_axes(const Shape& big, const Shape& small) {
  if (small.rank() > big.rank()) return std::nullopt;
  const int64_t shift = big.rank() - small.rank();
  const auto size = [&](int64_t axis) { return axis < shift ? 1 : small[static_cast<size_t>(axis - shift)]; };
  int64_t first = 0, end = big.rank();
  while (first < end && size(first) == 1) ++first;
  while (end > first && size(end - 1) == 1) --end;
  for (int64_t axis = first; axis < end; ++axis)
    if (size(axis) != big[static_cast<size_t>(axis)]) return std::nullopt;
  return std::pair(first, end);
}

std::optional<Broadcast> broadcast(const Type& big, const Layout& layout, const Type& small, bool keeps_zero,
                                   bool absorbs_zero) {
  const Shape& shape = big.shape;
  const bool padded = is_padded(big, layout);
  const auto axes = varying_axes(shape, small.shape);
  if (!axes) return std::nullopt;
  const auto [first, end] = *axes;
  if (first == end) {  // one value
    if (padded && !absorbs_zero) return std::nullopt;
    return Broadcast{{1, 1, static_cast<int64_t>(layout.bytes / sizeof(float)), 1}, plain_layout(small)};
  }
  const Format format = known_format(layout);
  if (format == Format::plain) {
    const int64_t inner = shape.count(end, shape.rank()), size = shape.count(first, end), outer = shape.count(0, first);
    if (inner == 1) return Broadcast{{outer, 1, 1, size}, plain_layout(small)};
    return Broadcast{{outer, size, inner, 1}, plain_layout(small)};
  }
  if (end != 2) return std::nullopt;
  const int64_t batch = shape[0], channels = shape[1], positions = shape.count(2, shape.rank());
  const bool each_image = first == 0;  // a value for each image and channel
  if (format == Format::channels_last) {
    if (each_image) return Broadcast{{1, batch, positions, channels}, plain_layout(small)};
    return Broadcast{{batch * positions, 1, 1, channels}, plain_layout(small)};
  }
  const int64_t block = block_of(format), blocks = (channels + block - 1) / block;
  if (padded && (each_image || !keeps_zero)) return std::nullopt;
  if (each_image) return Broadcast{{1, batch * blocks, positions, block}, plain_layout(small)};
  return Broadcast{{batch, blocks, positions, block}, padded ? padded_layout(channels, block) : plain_layout(small)};
}

// Whether all that reads the result are convolutions' adjoints, which round it to bf16.
bool only_operand(const Request& request) {
  return !request.readers.empty() && std::all_of(request.readers.begin(), request.readers.end(), [&](const Use& use) {
    const Op* op = request.graph.node(use.node).op;
    return (op == &ops::conv_input_gradient && use.input == 0) || (op == &ops::conv_weight_gradient && use.input == 1);
  });
}

// relu_gradient that rounds as it writes, in place of a reorder before the convolution that reads it.
bool add_rounded_relu_gradient(const Request& request, const CpuOptions& options, const Layout& layout,
                               std::vector<Lowering>& choices) {
  const Type& type = request.type(0);
  const Format format = format_of(layout);
  if (!options.bf16 || !onednn::has_bf16() || layout.is_plain() || is_padded(type, layout) || !only_operand(request))
    return false;
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise bf16");
  lowering.inputs = {layout, layout};
  lowering.outputs = {onednn::layout_of(onednn::desc_in(format, onednn::Dims(type.shape), onednn::Storage::bf16))};
  lowering.run = [count = type.shape.count()](const Buffers& b) {
    kernels::relu_gradient_bf16(floats(b.in[0]), floats(b.in[1]), reinterpret_cast<uint16_t*>(b.out[0]), count);
  };
  choices.push_back(std::move(lowering));
  return true;
}

std::string lower_equal(const Request& request, const CpuOptions& options, const BinaryName& name,
                        std::vector<Lowering>& choices) {
  const Type& type = request.type(0);
  Layout layout = layout_in(common_format(request), type);
  if (!name.keeps_zero && is_padded(type, layout)) layout = plain_layout(type);
  if (name.f == Binary::relu_gradient && add_rounded_relu_gradient(request, options, layout, choices)) return {};
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise");
  lowering.inputs = {layout, layout};
  lowering.outputs = {layout};
  lowering.in_place = {{0, 0}, {1, 0}};
  const auto count = static_cast<int64_t>(layout.bytes / sizeof(float));
  const Binary f = by_tanh(request.op_node()) ? Binary::gelu_tanh_gradient : name.f;
  lowering.run = [f, count](const Buffers& b) {
    kernels::binary(f, floats(b.in[0]), floats(b.in[1]), floats(b.out[0]), count);
  };
  choices.push_back(std::move(lowering));
  return {};
}

// Any broadcast, in plain order: neighbouring axes on which both operands go on as before are one.
std::string lower_broadcast(const Request& request, const BinaryName& name, std::vector<Lowering>& choices) {
  const Type &a = request.type(0), &b = request.type(1), &y = request.op_node().outputs[0];
  const auto step = [&](const Shape& shape, int64_t axis) {
    const int64_t own = axis - (y.shape.rank() - shape.rank());
    return own < 0 || shape[static_cast<size_t>(own)] == 1 ? 0 : shape.count(own + 1, shape.rank());
  };
  std::vector<kernels::BroadcastAxis> axes;  // the last one first
  for (int64_t axis = y.shape.rank(); axis-- > 0;) {
    const kernels::BroadcastAxis next{y.shape[static_cast<size_t>(axis)], step(a.shape, axis), step(b.shape, axis)};
    if (next.size == 1) continue;
    if (!axes.empty() && next.step_a == axes.back().step_a * axes.back().size &&
        next.step_b == axes.back().step_b * axes.back().size)
      axes.back().size *= next.size;
    else axes.push_back(next);
  }
  if (axes.empty() || y.shape.count() == 0) return "one value, or none";
  std::reverse(axes.begin(), axes.end());
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise");
  lowering.inputs = {plain_layout(a), plain_layout(b)};
  lowering.outputs = {plain_layout(y)};
  lowering.run = [f = name.f, exchanged = name.exchanged, axes](const Buffers& buffers) {
    kernels::binary_broadcast(f, exchanged, floats(buffers.in[0]), floats(buffers.in[1]), floats(buffers.out[0]), axes);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace

std::string lower_pow(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &exponent = request.type(1);
  if (x.dtype != DType::f32) return "not f32";
  if (exponent.shape.count() != 1 || !request.constant[1] || !request.values[1])
    return "the exponent is not one known number";
  if (request.op_node().outputs[0].shape != x.shape) return "x is broadcast";
  const auto power = request.values[1]->at(0);
  if (power != static_cast<double>(static_cast<float>(power))) return "the exponent is no f32";
  if (std::abs(power) > 64 && power == std::floor(power)) return "a whole exponent beyond 64";
  const Layout layout = power > 0 ? layout_in(known_format(request.inputs[0]), x) : plain_layout(x);
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise");
  lowering.inputs = {layout, plain_layout(exponent)};
  lowering.outputs = {layout};
  lowering.in_place = {{0, 0}};
  lowering.run = [power = static_cast<float>(power), count = static_cast<int64_t>(layout.bytes / sizeof(float))](
                     const Buffers& b) { kernels::power(floats(b.in[0]), power, floats(b.out[0]), count); };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_unary(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type& type = request.type(0);
  if (type.dtype != DType::f32) return "not f32";
  const auto name = std::find_if(std::begin(kUnaries), std::end(kUnaries),
                                 [&](const UnaryName& n) { return n.op == request.op_node().op->name; });
  if (name == std::end(kUnaries)) return "unknown operator";
  Layout layout = layout_in(known_format(request.inputs[0]), type);
  if (!name->keeps_zero && is_padded(type, layout)) layout = plain_layout(type);
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise");
  lowering.inputs = {layout};
  lowering.outputs = {layout};
  lowering.in_place = {{0, 0}};
  const auto count = static_cast<int64_t>(layout.bytes / sizeof(float));
  const Unary f = by_tanh(request.op_node()) ? Unary::gelu_tanh : name->f;
  lowering.run = [f, count](const Buffers& b) { kernels::unary(f, floats(b.in[0]), floats(b.out[0]), count); };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_binary(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  if (node.inputs.size() != 2) return "not two operands";
  const Type &a = request.type(0), &b = request.type(1), &y = node.outputs[0];
  if (a.dtype != DType::f32) return "not f32";
  const auto name = std::find_if(std::begin(kBinaries), std::end(kBinaries),
                                 [&](const BinaryName& n) { return n.op == node.op->name; });
  if (name == std::end(kBinaries)) return "unknown operator";
  if (a.shape == b.shape) return lower_equal(request, options, *name, choices);
  if (a.shape != y.shape && b.shape != y.shape) return lower_broadcast(request, *name, choices);
  // The operand of the result's shape leads.
  const size_t big = a.shape == y.shape ? 0 : 1, small = 1 - big;
  const Binary f = big == 0 ? name->f : name->exchanged;
  const bool absorbs_zero = name->absorbs_zero;
  Layout layout = layout_in(known_format(request.inputs[big]), y);
  auto found = broadcast(y, layout, request.type(small), name->keeps_zero, absorbs_zero);
  if (!found && !layout.is_plain()) {
    layout = plain_layout(y);
    found = broadcast(y, layout, request.type(small), name->keeps_zero, absorbs_zero);
  }
  if (!found) return lower_broadcast(request, *name, choices);
  Lowering lowering;
  lowering.implementation = kernel_name("elementwise");
  lowering.inputs.resize(2);
  lowering.inputs[big] = layout;
  lowering.inputs[small] = found->parameter;
  lowering.outputs = {layout};
  lowering.in_place = {{static_cast<int>(big), 0}};
  lowering.run = [f, big, small, view = found->view](const Buffers& buffers) {
    kernels::binary_channel(f, floats(buffers.in[big]), floats(buffers.in[small]), floats(buffers.out[0]), view);
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_channel_affine(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type& x = request.type(0);
  if (x.dtype != DType::f32) return "not f32";
  const Layout layout = layout_in(known_format(request.inputs[0]), x);
  const Shape column = [&] {
    Shape sizes(x.shape.size() - 1, 1);
    sizes[0] = x.shape[1];
    return sizes;
  }();
  auto found = broadcast(x, layout, {x.dtype, column}, true, false);
  if (!found) return "no channels in this layout";
  if (x.shape[1] == 1) found->view = {1, 1, static_cast<int64_t>(layout.bytes / sizeof(float)), 1};
  Lowering lowering;
  lowering.implementation = kernel_name("channel_affine");
  lowering.inputs = {layout, found->parameter, found->parameter};
  lowering.outputs = {layout};
  lowering.in_place = {{0, 0}};
  const bool rectify = request.op_node().attributes.as<ChannelAffineAttributes>().activation == "relu";
  lowering.run = [rectify, view = found->view](const Buffers& b) {
    kernels::channel_affine(floats(b.in[0]), floats(b.in[1]), floats(b.in[2]), floats(b.out[0]), view, rectify);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
