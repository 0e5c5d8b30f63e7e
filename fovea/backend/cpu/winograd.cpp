// conv, fused_conv and conv_input_gradient with 3×3 or 5×5 kernels of stride 1 by our own Winograd.
#include "fovea/backend/cpu/kernels/winograd.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

// The weights of F(6,3) are 7.1 times the plain ones, those of F(4,3) 4 times: large layers keep to the smaller. (Those
// of F(4,5) are 2.6 times.)
constexpr int64_t kLargeTileWeightsMost = 256 * 256;

struct Convolution {
  Type x, y;
  std::vector<WindowAxis> axes;  // of y over x: for the gradient, of dx over d
  int64_t groups = 1;
  bool adjoint = false, rectify = false;
  bool has_bias = false, has_residual = false;
};

std::vector<WindowAxis> axes_of(const Type& x, const Type& w, const Ints& stride, const Ints& dilation, const Ints& pad,
                                const std::string& auto_pad) {
  const Ints kernel(w.shape.begin() + 2, w.shape.end());
  return window_axes(spatial_sizes(x.shape), {kernel, stride, dilation, pad, auto_pad});
}

Convolution convolution_of(const Request& request) {
  const Node& node = request.op_node();
  Convolution c{.x = request.type(0), .y = node.outputs[0]};
  const Type& w = request.type(1);
  const auto given = [&](size_t i) { return node.inputs.size() > i && node.inputs[i]; };
  if (node.op == &ops::conv_input_gradient) {
    const auto& a = node.attributes.as<ConvAdjointAttributes>();
    c.axes = axes_of(c.y, w, a.stride, a.dilation, a.pad, "");
    for (WindowAxis& axis : c.axes) {
      std::swap(axis.input, axis.output);
      axis.pad_begin = axis.kernel - 1 - axis.pad_begin;
    }
    c.groups = a.groups;
    c.adjoint = true;
  } else if (node.op == &ops::fused_conv) {
    const auto& a = node.attributes.as<FusedConvAttributes>();
    c.axes = axes_of(c.x, w, a.stride, a.dilation, a.pad, a.auto_pad);
    c.groups = a.groups;
    c.rectify = a.activation == "relu";
    c.has_bias = given(2);
    c.has_residual = given(3);
  } else {
    const auto& a = node.attributes.as<ConvAttributes>();
    c.axes = axes_of(c.x, w, a.stride, a.dilation, a.pad, a.auto_pad);
    c.groups = a.groups;
    c.has_bias = given(2);
  }
  return c;
}

std::string refusal(const Convolution& c) {
  if (c.x.dtype != DType::f32) return "not f32";
  if (c.axes.size() != 2) return "not two-dimensional";
  if (c.groups != 1) return "grouped";
  for (const WindowAxis& axis : c.axes) {
    if (axis.kernel != c.axes[0].kernel || (axis.kernel != 3 && axis.kernel != 5))
      return "the kernel is not 3×3 or 5×5";
    if (axis.stride != 1 || axis.dilation != 1) return "strided or dilated";
    if (axis.pad_begin < 0) return "padding above the kernel's reach";
    if (axis.output < 4) return fmt::format("{} outputs a side, at least 4", axis.output);
  }
  if (c.x.shape[1] < 16 || c.y.shape[1] < 16) return "fewer than 16 channels";
  return {};
}

Lowering lower_with(const Request& request, const Convolution& c, Format format, int tile) {
  const int64_t inputs = c.x.shape[1], outputs = c.y.shape[1];
  const WindowAxis &rows = c.axes[0], &columns = c.axes[1];
  const auto strides = format == Format::blocked16 ? kernels::strides_nChw16c : kernels::strides_nhwc;
  const kernels::WinogradPlan plan = kernels::plan_winograd(
      {c.x.shape[0], inputs, rows.input, columns.input, outputs, rows.output, columns.output, rows.pad_begin,
       columns.pad_begin, static_cast<int>(rows.kernel), strides(inputs, rows.input, columns.input),
       strides(outputs, rows.output, columns.output)},
      tile, thread_count());
  Lowering lowering;
  lowering.implementation = kernel_name(fmt::format("winograd {0}x{0}", tile));
  const Layout weights = prepared_weights_layout(
      fmt::format("winograd {0}x{0} of {1}x{1}{2}", tile, rows.kernel, c.adjoint ? " adjoint" : ""),
      plan.weight_floats * sizeof(float),
      [plan, adjoint = c.adjoint](const std::byte* from, const WeightOffsets& at, std::byte* to) {
        kernels::winograd_weights(plan, reinterpret_cast<const float*>(from),
                                  {at.o.data(), at.i.data(), at.h.data(), at.w.data()}, adjoint,
                                  reinterpret_cast<float*>(to));
      });
  lowering.inputs = {layout_in(format, c.x), weights};
  const size_t count = request.op_node().inputs.size();
  if (count > 2) lowering.inputs.push_back(c.has_bias ? padded_layout(outputs, 16) : Layout{});
  if (count > 3) lowering.inputs.push_back(c.has_residual ? layout_in(format, c.y) : Layout{});
  lowering.outputs = {layout_in(format, c.y)};
  if (c.has_residual) lowering.in_place = {{3, 0}};
  lowering.scratch = plan.scratch_bytes;
  lowering.run = [plan, rectify = c.rectify, has_bias = c.has_bias, has_residual = c.has_residual](const Buffers& b) {
    kernels::winograd(plan, reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const float*>(b.in[1]),
                      has_bias ? reinterpret_cast<const float*>(b.in[2]) : nullptr,
                      has_residual ? reinterpret_cast<const float*>(b.in[3]) : nullptr,
                      reinterpret_cast<float*>(b.out[0]), rectify, b.scratch);
  };
  return lowering;
}

}  // namespace

std::string lower_winograd(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  if (options.exact) return "exact arithmetic is asked for";
  const Convolution c = convolution_of(request);
  if (const std::string reason = refusal(c); !reason.empty()) return reason;
  const int64_t inputs = c.x.shape[1], outputs = c.y.shape[1];
  const bool last = format_of(request.inputs[0]) == Format::channels_last && inputs % 16 == 0 && outputs % 16 == 0;
  const Format format = last ? Format::channels_last : Format::blocked16;
  if (!last && blocked_format() != format) return "channels are not in blocks of 16 on this machine";
  if (c.axes[0].kernel == 5) {
    choices.push_back(lower_with(request, c, format, 4));
    return {};
  }
  // Multiplications of each, by tiles that reach over the edge.
  const auto tiles = [&](int64_t m) { return (c.axes[0].output + m - 1) / m * ((c.axes[1].output + m - 1) / m); };
  const bool large = inputs * outputs <= kLargeTileWeightsMost;
  const bool large_first = large && 64 * tiles(6) < 36 * tiles(4);
  if (large_first) choices.push_back(lower_with(request, c, format, 6));
  choices.push_back(lower_with(request, c, format, 4));
  if (large && !large_first) choices.push_back(lower_with(request, c, format, 6));
  return {};
}

}  // namespace fovea::cpu
