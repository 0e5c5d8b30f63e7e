// Convolution and its two adjoints through oneDNN: direct and Winograd, in blocks of channels wherever there is such a kernel.
#include "fovea/ops/conv.h"

#include <array>
#include <cstring>

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/copy.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

using onednn::Desc;
using onednn::Dims;

// One convolution as oneDNN wants it described: y = conv(x, w). Sizes include the batch; w has a leading group axis if G > 1.
struct Problem {
  Type x, w, y;
  Dims x_sizes, w_sizes, y_sizes;
  Dims strides, dilations, pad_begin, pad_end;  // dilations count the gaps: 0 is dense
  int64_t groups = 1;

  bool winograd_shape() const {
    if (w_sizes.size() != 4 || w_sizes[2] != 3 || w_sizes[3] != 3) return false;
    return strides == Dims{1, 1} && dilations == Dims{0, 0} && x_sizes[1] >= 16 && y_sizes[1] >= 16;
  }
};

Problem problem(const Type& x, const Type& w, const Type& y, const WindowSettings& window, int64_t groups) {
  Problem p{x, w, y, {}, {}, {}, {}, {}, {}, {}, groups};
  p.x_sizes = x.shape;
  p.y_sizes = y.shape;
  p.w_sizes = w.shape;
  if (groups > 1) {
    p.w_sizes[0] /= groups;
    p.w_sizes.insert(p.w_sizes.begin(), groups);
  }
  for (const WindowAxis& a : window_axes(spatial_sizes(x.shape), window)) {
    p.strides.push_back(a.stride);
    p.dilations.push_back(a.dilation - 1);
    p.pad_begin.push_back(a.pad_begin);
    // What the last window needs: sizes then agree exactly.
    p.pad_end.push_back(std::max<int64_t>(0, (a.output - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.input - a.pad_begin));
  }
  return p;
}

std::string unsupported(const Problem& p) {
  if (p.x.dtype != DType::f32) return fmt::format("computes in f32, not {}", to_string(p.x.dtype));
  if (p.x.shape.rank() > 5) return fmt::format("at most 3 spatial axes, not {}", p.x.shape.rank() - 2);
  if (p.x.shape.count() == 0 || p.w.shape.count() == 0 || p.y.shape.count() == 0) return "an operand has no elements";
  return "";
}

// Formats to try for (x, y), best first. Images are read as they come.
std::vector<std::array<Format, 2>> formats(const Problem& p) {
  const Format blocked = blocked_format();
  std::vector<std::array<Format, 2>> result;
  if (p.x.shape[1] <= 4) result.push_back({Format::plain, blocked});
  result.push_back({blocked, blocked});
  result.push_back({Format::channels_last, Format::channels_last});
  result.push_back({Format::plain, Format::plain});
  return result;
}

constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;
constexpr dnnl::algorithm kWinograd = dnnl::algorithm::convolution_winograd;

using Forward = dnnl::convolution_forward;
using InputGradient = dnnl::convolution_backward_data;
using WeightGradient = dnnl::convolution_backward_weights;

Forward::primitive_desc describe_forward(const Problem& p, dnnl::algorithm algorithm, dnnl::prop_kind kind,
                                         std::array<Format, 2> f, const Desc& bias, const dnnl::primitive_attr& attributes) {
  return onednn::describe<Forward>(attributes, kind, algorithm, onednn::desc_in(f[0], p.x_sizes),
                                   onednn::any_desc(p.w_sizes), bias, onednn::desc_in(f[1], p.y_sizes), p.strides,
                                   p.dilations, p.pad_begin, p.pad_end);
}

template <class Description> bool usable(const Description& d) { return d && !onednn::is_reference(d); }

// Zero weights of padding channels are the primitive's business: the layout says how many bytes it wants.
void add_forward(const Request& request, const Problem& p, const Forward::primitive_desc& d, std::array<Format, 2> f,
                 bool has_bias, bool has_residual, std::vector<Lowering>& choices) {
  onednn::Execution execution{Forward(d)};
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs.resize(request.inputs.size());
  lowering.inputs[0] = layout_in(f[0], p.x);
  lowering.inputs[1] = onednn::layout_of(d.weights_desc());
  execution.input(DNNL_ARG_SRC, d.src_desc(), 0);
  execution.input(DNNL_ARG_WEIGHTS, d.weights_desc(), 1);
  if (has_bias) {
    lowering.inputs[2] = plain_layout(request.type(2));
    execution.input(DNNL_ARG_BIAS, d.bias_desc(), 2);
  }
  execution.output(DNNL_ARG_DST, d.dst_desc(), 0);
  onednn::bind_scratchpad(execution, d);
  lowering.outputs = {layout_in(f[1], p.y)};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  if (has_residual) {
    // The primitive adds to what the output holds already: best where the output takes the residual's place.
    lowering.inputs[3] = lowering.outputs[0];
    lowering.in_place = {{3, 0}};
    lowering.run = [execution, bytes = lowering.outputs[0].bytes](const Buffers& b) {
      if (b.in[3] != b.out[0]) copy_bytes(b.in[3], b.out[0], bytes);
      execution(b);
    };
  }
  choices.push_back(std::move(lowering));
}

std::string forward(const Request& request, const CpuOptions& options, const Problem& p, bool rectify,
                    std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const auto given = [&](size_t i) { return i < request.op_node().inputs.size() && request.op_node().inputs[i]; };
  const bool has_bias = given(2), has_residual = given(3);
  dnnl::post_ops after;
  if (has_residual) after.append_sum();
  if (rectify) onednn::append_relu(after);
  dnnl::primitive_attr attributes = onednn::attributes(options.bf16);
  attributes.set_post_ops(after);
  const Desc bias = has_bias ? onednn::plain_desc({p.y.shape[1]}) : Desc();
  // For inference, Winograd wants its weights transformed beforehand; weights that change are transformed as it goes.
  const auto kind = request.constant[1] ? onednn::kInference : onednn::kTraining;
  const Format blocked = blocked_format();
  if (!options.exact && !options.bf16 && p.winograd_shape() && p.groups == 1)
    if (const auto d = describe_forward(p, kWinograd, kind, {blocked, blocked}, bias, attributes); usable(d))
      add_forward(request, p, d, {blocked, blocked}, has_bias, has_residual, choices);
  for (const auto& f : formats(p))
    if (const auto d = describe_forward(p, kDirect, kind, f, bias, attributes); usable(d)) {
      add_forward(request, p, d, f, has_bias, has_residual, choices);
      break;
    }
  return choices.empty() ? "oneDNN has only its reference loop" : "";
}


// y's gradient and the weights → x's gradient.
std::string add_input_gradient(const Request& request, const CpuOptions& options, const Problem& p,
                               dnnl::algorithm algorithm, std::array<Format, 2> f, std::vector<Lowering>& choices) {
  const auto attributes = onednn::attributes(options.bf16);
  const auto hint = describe_forward(p, algorithm, onednn::kTraining, f, Desc(), onednn::attributes(options.bf16));
  const auto any_hint = hint ? hint
                             : onednn::describe<Forward>(onednn::attributes(), onednn::kTraining, kDirect, onednn::any_desc(p.x_sizes),
                                                         onednn::any_desc(p.w_sizes), Desc(), onednn::any_desc(p.y_sizes), p.strides,
                                                         p.dilations, p.pad_begin, p.pad_end);
  const auto d = onednn::describe_backward<InputGradient>(
      attributes, any_hint, algorithm, onednn::desc_in(f[0], p.x_sizes), onednn::any_desc(p.w_sizes),
      onednn::desc_in(f[1], p.y_sizes), p.strides, p.dilations, p.pad_begin, p.pad_end);
  if (!usable(d)) return "oneDNN has only its reference loop";
  onednn::Execution execution{InputGradient(d)};
  execution.input(DNNL_ARG_DIFF_DST, d.diff_dst_desc(), 0);
  execution.input(DNNL_ARG_WEIGHTS, d.weights_desc(), 1);
  execution.output(DNNL_ARG_DIFF_SRC, d.diff_src_desc(), 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = {layout_in(f[1], p.y), onednn::layout_of(d.weights_desc())};
  lowering.outputs = {layout_in(f[0], p.x)};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  static_cast<void>(request);
  choices.push_back(std::move(lowering));
  return "";
}

// x and y's gradient → the weights' gradient.
std::string add_weight_gradient(const CpuOptions& options, const Problem& p, dnnl::algorithm algorithm,
                                std::array<Format, 2> f, std::vector<Lowering>& choices) {
  const auto attributes = onednn::attributes(options.bf16);
  const auto hint = describe_forward(p, algorithm, onednn::kTraining, f, Desc(), attributes);
  const auto d = onednn::describe_backward<WeightGradient>(
      attributes, hint, algorithm, onednn::desc_in(f[0], p.x_sizes), onednn::any_desc(p.w_sizes), Desc(),
      onednn::desc_in(f[1], p.y_sizes), p.strides, p.dilations, p.pad_begin, p.pad_end);
  if (!usable(d)) return "oneDNN has only its reference loop";
  onednn::Execution execution{WeightGradient(d)};
  execution.input(DNNL_ARG_SRC, d.src_desc(), 0);
  execution.input(DNNL_ARG_DIFF_DST, d.diff_dst_desc(), 1);
  execution.output(DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc(), 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = {layout_in(f[0], p.x), layout_in(f[1], p.y)};
  lowering.outputs = {onednn::layout_of(d.diff_weights_desc())};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  choices.push_back(std::move(lowering));
  return "";
}

Ints kernel_of(const Type& w) { return Ints(w.shape.begin() + 2, w.shape.end()); }

}  // namespace

std::string lower_conv(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type &x = request.type(0), &w = request.type(1), &y = node.outputs[0];
  const Ints kernel = kernel_of(w);
  if (node.op == &ops::fused_conv) {
    const auto& a = node.attributes.as<FusedConvAttributes>();
    const Problem p = problem(x, w, y, {kernel, a.stride, a.dilation, a.pad, a.auto_pad}, a.groups);
    return forward(request, options, p, a.activation == "relu", choices);
  }
  const auto& a = node.attributes.as<ConvAttributes>();
  const Problem p = problem(x, w, y, {kernel, a.stride, a.dilation, a.pad, a.auto_pad}, a.groups);
  return forward(request, options, p, false, choices);
}

std::string lower_conv_input_gradient(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Ints kernel = kernel_of(request.type(1));
  const Problem p = problem(node.outputs[0], request.type(1), request.type(0), {kernel, a.stride, a.dilation, a.pad}, a.groups);
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const Format blocked = blocked_format();
  if (!options.exact && !options.bf16 && p.winograd_shape() && p.groups == 1)
    add_input_gradient(request, options, p, kWinograd, {blocked, blocked}, choices);
  // A plain gradient from a blocked one would be computed by the reference loop: blocked even for images.
  const Format same[] = {blocked, Format::channels_last, Format::plain};
  std::string reason;
  for (const Format f : same) {
    reason = add_input_gradient(request, options, p, kDirect, {f, f}, choices);
    if (reason.empty()) return "";
  }
  return choices.empty() ? reason : "";
}

std::string lower_conv_weight_gradient(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Problem p = problem(request.type(0), node.outputs[0], request.type(1), {a.sizes, a.stride, a.dilation, a.pad}, a.groups);
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const Format blocked = blocked_format();
  if (!options.exact && !options.bf16 && p.winograd_shape() && p.groups == 1)
    add_weight_gradient(options, p, kWinograd, {blocked, blocked}, choices);
  std::string reason;
  for (const auto& f : formats(p)) {
    reason = add_weight_gradient(options, p, kDirect, f, choices);
    if (reason.empty()) return "";
  }
  return choices.empty() ? reason : "";
}

}  // namespace fovea::cpu
