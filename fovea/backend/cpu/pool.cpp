// Max pooling without switches, average pooling and its gradient, in the layout of the input.
#include <array>

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

using onednn::Dims;

struct Windows {
  Dims strides, kernel, dilations, pad_begin, pad_end;
  bool padded = false;  // any window reaches outside
  bool beyond = false;  // a last window of ceil mode reaches beyond the padding
  bool only_padding = false;
};

Windows windows(const std::vector<WindowAxis>& axes) {
  Windows w;
  for (const WindowAxis& a : axes) {
    const int64_t needed = (a.output - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.input - a.pad_begin;
    w.strides.push_back(a.stride);
    w.kernel.push_back(a.kernel);
    w.dilations.push_back(a.dilation - 1);
    w.pad_begin.push_back(a.pad_begin);
    w.pad_end.push_back(std::max<int64_t>(0, needed));
    w.padded = w.padded || a.pad_begin > 0 || needed > 0;
    w.beyond = w.beyond || needed > a.pad_end;
    const int64_t extent = (a.kernel - 1) * a.dilation + 1;
    w.only_padding = w.only_padding || a.pad_begin >= extent || needed >= extent ||
                     (a.dilation > 1 && (a.pad_begin > 0 || needed > 0));
  }
  return w;
}

std::string unsupported(const Type& x, const Type& y, const Windows& w) {
  if (x.dtype != DType::f32) return fmt::format("computes in f32, not {}", to_string(x.dtype));
  if (x.shape.rank() > 5) return fmt::format("at most 3 spatial axes, not {}", x.shape.rank() - 2);
  if (x.shape.count() == 0 || y.shape.count() == 0) return "the tensor has no elements";
  if (w.only_padding) return "a window may lie in padding alone";
  return "";
}

// The format of the input first; blocks where there is no kernel for that one.
std::array<Format, 3> formats(const Layout& current) {
  return {format_of(current), blocked_format(), Format::channels_last};
}

std::string forward(const Request& request, const Windows& w, dnnl::algorithm algorithm,
                    std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  if (std::string reason = unsupported(x, y, w); !reason.empty()) return reason;
  for (const Format f : formats(request.inputs[0])) {
    const auto d = onednn::describe<onednn::Pooling>(onednn::attributes(), onednn::kInference, algorithm,
                                                     onednn::desc_in(f, x.shape), onednn::desc_in(f, y.shape),
                                                     w.strides, w.kernel, w.dilations, w.pad_begin, w.pad_end);
    if (!d || onednn::is_reference(d)) continue;
    onednn::Execution execution{onednn::Pooling(d)};
    execution.input(DNNL_ARG_SRC, d.src_desc(), 0);
    execution.output(DNNL_ARG_DST, d.dst_desc(), 0);
    onednn::bind_scratchpad(execution, d);
    Lowering lowering;
    lowering.implementation = onednn::implementation(d);
    lowering.inputs = {layout_in(f, x)};
    lowering.outputs = {layout_in(f, y)};
    if (request.op_node().outputs.size() > 1) lowering.outputs.push_back(plain_layout(request.op_node().outputs[1]));
    lowering.scratch = onednn::scratch_bytes(d);
    lowering.run = execution;
    choices.push_back(std::move(lowering));
    return "";
  }
  return "oneDNN has only its reference loop";
}

template <class A>
std::string average(const A& a, const Windows& w, dnnl::algorithm& algorithm) {
  if (a.sum) return "sums are not averages";
  if (a.include_pad && w.beyond) return "the last window reaches beyond the padding, which does not count";
  algorithm = a.include_pad && w.padded ? dnnl::algorithm::pooling_avg_include_padding
                                        : dnnl::algorithm::pooling_avg_exclude_padding;
  return "";
}

}  // namespace

std::string lower_max_pool(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (request.used[1]) return "the switches are wanted";
  const auto& a = request.op_node().attributes.as<MaxPoolAttributes>();
  const auto axes =
      window_axes(spatial_sizes(request.type(0).shape), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  return forward(request, windows(axes), dnnl::algorithm::pooling_max, choices);
}

std::string lower_average_pool(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const auto& a = request.op_node().attributes.as<AveragePoolAttributes>();
  const auto axes =
      window_axes(spatial_sizes(request.type(0).shape), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  const Windows w = windows(axes);
  dnnl::algorithm algorithm{};
  if (std::string reason = average(a, w, algorithm); !reason.empty()) return reason;
  return forward(request, w, algorithm, choices);
}

std::string lower_average_pool_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const auto& a = request.op_node().attributes.as<AveragePoolAdjointAttributes>();
  const Type &d = request.type(0), &x = request.op_node().outputs[0];
  const auto axes = window_axes(spatial_sizes(x.shape), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  const Windows w = windows(axes);
  dnnl::algorithm algorithm{};
  if (std::string reason = average(a, w, algorithm); !reason.empty()) return reason;
  if (std::string reason = unsupported(x, d, w); !reason.empty()) return reason;
  for (const Format f : formats(request.inputs[0])) {
    const auto x_desc = onednn::desc_in(f, x.shape), d_desc = onednn::desc_in(f, d.shape);
    const auto hint =
        onednn::describe<onednn::Pooling>(onednn::attributes(), onednn::kTraining, algorithm, x_desc, d_desc, w.strides,
                                          w.kernel, w.dilations, w.pad_begin, w.pad_end);
    const auto description =
        onednn::describe_backward<onednn::PoolingGradient>(onednn::attributes(), hint, algorithm, x_desc, d_desc,
                                                           w.strides, w.kernel, w.dilations, w.pad_begin, w.pad_end);
    if (!description || onednn::is_reference(description)) continue;
    onednn::Execution execution{onednn::PoolingGradient(description)};
    execution.input(DNNL_ARG_DIFF_DST, description.diff_dst_desc(), 0);
    execution.output(DNNL_ARG_DIFF_SRC, description.diff_src_desc(), 0);
    onednn::bind_scratchpad(execution, description);
    Lowering lowering;
    lowering.implementation = onednn::implementation(description);
    lowering.inputs = {layout_in(f, d)};
    lowering.outputs = {layout_in(f, x)};
    lowering.scratch = onednn::scratch_bytes(description);
    lowering.run = execution;
    choices.push_back(std::move(lowering));
    return "";
  }
  return "oneDNN has only its reference loop";
}

std::string lower_global_average_pool(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  Windows w;
  for (const int64_t size : spatial_sizes(request.type(0).shape)) {
    w.strides.push_back(1);
    w.kernel.push_back(size);
    for (Dims* zeros : {&w.dilations, &w.pad_begin, &w.pad_end}) zeros->push_back(0);
  }
  return forward(request, w, dnnl::algorithm::pooling_avg_exclude_padding, choices);
}

}  // namespace fovea::cpu
