// conv, fused_conv and the two adjoints of convolution with few channels.
#include "fovea/backend/cpu/kernels/small_conv.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

using kernels::SmallConv;

// Fills `shape` for y = conv(x, w), or says why not.
std::string shape_of(const Type& x, const Type& w, const Type& y, const std::vector<WindowAxis>& axes, int64_t groups,
                     SmallConv& shape) {
  if (x.dtype != DType::f32) return "not f32";
  if (axes.size() != 2) return "not two-dimensional";
  if (groups != 1) return "grouped";
  if (x.shape.count() == 0 || w.shape.count() == 0 || y.shape.count() == 0) return "an operand has no elements";
  for (const WindowAxis& axis : axes) {
    if (axis.stride != 1 || axis.dilation != 1) return "stride or dilation is not 1";
    if (axis.pad_begin < 0 || axis.pad_begin >= axis.kernel + axis.output) return "unusual padding";
  }
  shape = {x.shape[0],     x.shape[1],     axes[0].input,  axes[1].input,     y.shape[1],        axes[0].output,
           axes[1].output, axes[0].kernel, axes[1].kernel, axes[0].pad_begin, axes[1].pad_begin, thread_count()};
  if (shape.padded_height() * shape.padded_width() > kernels::kSmallPlaneMost) return "planes too large for a cache";
  return "";
}

template <class T>
T* floats(std::byte* memory) {
  return reinterpret_cast<T*>(memory);
}

}  // namespace

std::string lower_small_conv(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type &x = request.type(0), &w = request.type(1), &y = node.outputs[0];
  if (y.shape[1] > kernels::kSmallOutputsMost)
    return fmt::format("{} outputs, at most {}", y.shape[1], kernels::kSmallOutputsMost);
  const auto given = [&](size_t i) { return node.inputs.size() > i && node.inputs[i]; };
  if (given(3)) return "a residual";
  const Ints kernel(w.shape.begin() + 2, w.shape.end());
  bool rectify = false;
  SmallConv shape{};
  std::string reason;
  if (node.op == &ops::fused_conv) {
    const auto& a = node.attributes.as<FusedConvAttributes>();
    rectify = a.activation == "relu";
    reason = shape_of(x, w, y, window_axes(spatial_sizes(x.shape), {kernel, a.stride, a.dilation, a.pad, a.auto_pad}),
                      a.groups, shape);
  } else {
    const auto& a = node.attributes.as<ConvAttributes>();
    reason = shape_of(x, w, y, window_axes(spatial_sizes(x.shape), {kernel, a.stride, a.dilation, a.pad, a.auto_pad}),
                      a.groups, shape);
  }
  if (!reason.empty()) return reason;
  Lowering lowering;
  lowering.implementation = kernel_name("small_conv");
  lowering.inputs.resize(node.inputs.size());
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (given(i)) lowering.inputs[i] = plain_layout(request.type(i));
  lowering.outputs = {plain_layout(y)};
  lowering.scratch = kernels::small_conv_scratch(shape) * sizeof(float);
  lowering.run = [shape, rectify, biased = given(2)](const Buffers& b) {
    kernels::small_conv(shape, floats<const float>(b.in[0]), floats<const float>(b.in[1]),
                        biased ? floats<const float>(b.in[2]) : nullptr, floats<float>(b.out[0]), rectify,
                        floats<float>(b.scratch));
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_small_conv_weight_gradient(const Request& request, const CpuOptions&,
                                             std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Type &x = request.type(0), &d = request.type(1), &w = node.outputs[0];
  if (d.shape[1] > kernels::kSmallOutputsMost)
    return fmt::format("{} outputs, at most {}", d.shape[1], kernels::kSmallOutputsMost);
  SmallConv shape{};
  const auto axes = window_axes(spatial_sizes(x.shape), {a.sizes, a.stride, a.dilation, a.pad});
  if (std::string reason = shape_of(x, w, d, axes, a.groups, shape); !reason.empty()) return reason;
  Lowering lowering;
  lowering.implementation = kernel_name("small_conv");
  lowering.inputs = {plain_layout(x), plain_layout(d)};
  lowering.outputs = {plain_layout(w)};
  lowering.scratch = kernels::small_conv_weight_gradient_scratch(shape) * sizeof(float);
  lowering.run = [shape](const Buffers& b) {
    kernels::small_conv_weight_gradient(shape, floats<const float>(b.in[0]), floats<const float>(b.in[1]),
                                        floats<float>(b.out[0]), floats<float>(b.scratch));
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_small_conv_input_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Type &d = request.type(0), &w = request.type(1), &x = node.outputs[0];
  SmallConv shape{};
  const Ints kernel(w.shape.begin() + 2, w.shape.end());
  const auto axes = window_axes(spatial_sizes(x.shape), {kernel, a.stride, a.dilation, a.pad});
  if (std::string reason = shape_of(x, w, d, axes, a.groups, shape); !reason.empty()) return reason;
  const int64_t vectors = shape.kernel_height * kernels::small_conv_row_vectors(shape);
  if (vectors > kernels::kSmallVectorsMost)
    return fmt::format("{} vectors of taps, at most {}", vectors, kernels::kSmallVectorsMost);
  Format format = format_of(request.inputs[0]);
  const Layout from = format == Format::other ? plain_layout(d) : layout_in(format, d);
  if (from.is_plain()) format = Format::plain;
  const int64_t outputs = shape.outputs, pixels = shape.out_height * shape.out_width, block = block_of(format);
  kernels::ChannelStrides strides{outputs * pixels, 1, pixels, 1};
  if (format == Format::channels_last) strides = {outputs * pixels, outputs, outputs, outputs};
  if (block > 1) strides = {(outputs + block - 1) / block * block * pixels, block, pixels * block, block};
  Lowering lowering;
  lowering.implementation = kernel_name("small_conv");
  const auto rows = static_cast<size_t>(outputs * vectors * 16) * sizeof(float);
  const std::string name = fmt::format("small_conv {}", to_string(w.shape));
  lowering.inputs = {from, prepared_layout(name, rows, [shape](const std::byte* plain, std::byte* prepared) {
                       kernels::small_conv_tap_rows(shape, reinterpret_cast<const float*>(plain),
                                                    reinterpret_cast<float*>(prepared));
                     })};
  lowering.outputs = {plain_layout(x)};
  lowering.scratch = kernels::small_conv_input_gradient_scratch(shape) * sizeof(float);
  lowering.run = [shape, strides](const Buffers& b) {
    kernels::small_conv_input_gradient(shape, strides, floats<const float>(b.in[0]), floats<const float>(b.in[1]),
                                       floats<float>(b.out[0]), floats<float>(b.scratch));
  };
  choices.push_back(std::move(lowering));
  return "";
}

}  // namespace fovea::cpu
