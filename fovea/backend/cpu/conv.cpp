// Convolution and its two adjoints through oneDNN: direct and Winograd, in blocks of channels wherever there is such a
// kernel.
#include "fovea/ops/conv.h"

#include <algorithm>
#include <array>

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/copy.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

using onednn::Desc;
using onednn::Dims;

// One convolution as oneDNN wants it described: y = conv(x, w). Sizes include the batch; w has a leading group axis if
// G > 1.
struct Problem {
  Type x, w, y;
  Dims x_sizes, w_sizes, y_sizes;
  Dims strides, dilations, pad_begin, pad_end;  // dilations count the gaps: 0 is dense
  int64_t groups = 1;
  onednn::Storage operands = onednn::Storage::f32;  // of what is multiplied

  bool winograd_shape() const {
    if (groups != 1 || w_sizes.size() != 4 || w_sizes[2] != 3 || w_sizes[3] != 3) return false;
    return strides == Dims{1, 1} && dilations == Dims{0, 0} && x_sizes[1] >= 16 && y_sizes[1] >= 16;
  }
};

Problem problem(const Type& x, const Type& w, const Type& y, const WindowSettings& window, int64_t groups,
                const CpuOptions& options) {
  Problem p{x, w, y, {}, {}, {}, {}, {}, {}, {}, groups};
  if (options.bf16 && onednn::has_bf16()) p.operands = onednn::Storage::bf16;
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
    p.pad_end.push_back(
        std::max<int64_t>(0, (a.output - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.input - a.pad_begin));
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
constexpr std::string_view kOnlyReference = "oneDNN has only its reference loop";

using Formats = std::array<Format, 2>;  // of x, of y
using Forward = dnnl::convolution_forward;
using InputGradient = dnnl::convolution_backward_data;
using WeightGradient = dnnl::convolution_backward_weights;
using onednn::Storage;

// The descriptors of one of the three convolutions; the one that is the result is always f32.
struct Descs {
  Desc x, w, y;
  Descs(const Problem& p, Formats f, Storage x_storage, Storage w_storage, Storage y_storage)
      : x(onednn::desc_in(f[0], p.x_sizes, x_storage)),
        w(onednn::any_desc(p.w_sizes, w_storage)),
        y(onednn::desc_in(f[1], p.y_sizes, y_storage)) {}
};

template <class Description>
bool usable(const Description& d) {
  return d && !onednn::is_reference(d);
}

// The layout of an operand: of ours, or bf16.
Layout operand(const Problem& p, const Desc& desc, Format format, const Type& type) {
  return p.operands == Storage::f32 ? layout_in(format, type) : onednn::layout_of(desc);
}

// oneDNN wants the forward primitive's description with the backward one's.
Forward::primitive_desc hint(const Problem& p, dnnl::algorithm algorithm, Formats f) {
  const Descs d(p, f, p.operands, p.operands, p.operands);
  const auto same = onednn::describe<Forward>(onednn::attributes(), onednn::kTraining, algorithm, d.x, d.w, Desc(), d.y,
                                              p.strides, p.dilations, p.pad_begin, p.pad_end);
  if (same) return same;
  return onednn::describe<Forward>(
      onednn::attributes(), onednn::kTraining, kDirect, onednn::any_desc(p.x_sizes, p.operands), d.w, Desc(),
      onednn::any_desc(p.y_sizes, p.operands), p.strides, p.dilations, p.pad_begin, p.pad_end);
}

struct Epilogue {
  bool bias = false, residual = false, rectify = false;
};

bool add_forward(const Request& request, const Problem& p, dnnl::algorithm algorithm, Formats f, Epilogue epilogue,
                 std::vector<Lowering>& choices) {
  dnnl::post_ops after;
  if (epilogue.residual) after.append_sum();
  if (epilogue.rectify) onednn::append_relu(after);
  dnnl::primitive_attr attributes = onednn::attributes();
  attributes.set_post_ops(after);
  // For inference, Winograd wants its weights transformed beforehand; weights that change are transformed as it goes.
  const auto kind = request.constant[1] ? onednn::kInference : onednn::kTraining;
  const Descs descs(p, f, p.operands, p.operands, Storage::f32);
  const Desc bias = epilogue.bias ? onednn::plain_desc({p.y.shape[1]}) : Desc();
  const auto d = onednn::describe<Forward>(attributes, kind, algorithm, descs.x, descs.w, bias, descs.y, p.strides,
                                           p.dilations, p.pad_begin, p.pad_end);
  if (!usable(d)) return false;
  onednn::Execution execution{Forward(d)};
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs.resize(request.inputs.size());
  lowering.inputs[0] = operand(p, descs.x, f[0], p.x);
  lowering.inputs[1] = onednn::layout_of(d.weights_desc());
  lowering.outputs = {layout_in(f[1], p.y)};
  lowering.scratch = onednn::scratch_bytes(d);
  execution.input(DNNL_ARG_SRC, descs.x, 0);
  execution.input(DNNL_ARG_WEIGHTS, d.weights_desc(), 1);
  execution.output(DNNL_ARG_DST, descs.y, 0);
  if (epilogue.bias) {
    lowering.inputs[2] = plain_layout(request.type(2));
    execution.input(DNNL_ARG_BIAS, bias, 2);
  }
  onednn::bind_scratchpad(execution, d);
  lowering.run = execution;
  if (epilogue.residual) {
    // The primitive adds to what the output holds already: best where the output takes the residual's place.
    lowering.inputs[3] = lowering.outputs[0];
    lowering.in_place = {{3, 0}};
    lowering.run = [execution, bytes = lowering.outputs[0].bytes](const Buffers& b) {
      if (b.in[3] != b.out[0]) copy_bytes(b.in[3], b.out[0], bytes);
      execution(b);
    };
  }
  choices.push_back(std::move(lowering));
  return true;
}

// y's gradient and the weights → x's gradient.
bool add_input_gradient(const Problem& p, dnnl::algorithm algorithm, Formats f, std::vector<Lowering>& choices) {
  const Descs descs(p, f, Storage::f32, p.operands, p.operands);
  const auto d =
      onednn::describe_backward<InputGradient>(onednn::attributes(), hint(p, algorithm, f), algorithm, descs.x, descs.w,
                                               descs.y, p.strides, p.dilations, p.pad_begin, p.pad_end);
  if (!usable(d)) return false;
  onednn::Execution execution{InputGradient(d)};
  execution.input(DNNL_ARG_DIFF_DST, descs.y, 0);
  execution.input(DNNL_ARG_WEIGHTS, d.weights_desc(), 1);
  execution.output(DNNL_ARG_DIFF_SRC, descs.x, 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = {operand(p, descs.y, f[1], p.y), onednn::layout_of(d.weights_desc())};
  lowering.outputs = {layout_in(f[0], p.x)};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  choices.push_back(std::move(lowering));
  return true;
}

// x and y's gradient → the weights' gradient.
bool add_weight_gradient(const Problem& p, dnnl::algorithm algorithm, Formats f, std::vector<Lowering>& choices) {
  const Descs descs(p, f, p.operands, Storage::f32, p.operands);
  const auto d = onednn::describe_backward<WeightGradient>(onednn::attributes(), hint(p, algorithm, f), algorithm,
                                                           descs.x, descs.w, Desc(), descs.y, p.strides, p.dilations,
                                                           p.pad_begin, p.pad_end);
  if (!usable(d)) return false;
  onednn::Execution execution{WeightGradient(d)};
  execution.input(DNNL_ARG_SRC, descs.x, 0);
  execution.input(DNNL_ARG_DIFF_DST, descs.y, 1);
  execution.output(DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc(), 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = {operand(p, descs.x, f[0], p.x), operand(p, descs.y, f[1], p.y)};
  lowering.outputs = {onednn::layout_of(d.diff_weights_desc())};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  choices.push_back(std::move(lowering));
  return true;
}

// Winograd where the shape allows it, then the first direct kernel that is not the reference loop. In bf16 first, where
// that is allowed and there is one; Winograd is always f32.
template <class Add>
std::string add_choices(Problem p, const CpuOptions& options, std::span<const Formats> formats, const Add& add,
                        const std::vector<Lowering>& choices) {
  const auto add_direct = [&] {
    return std::any_of(formats.begin(), formats.end(), [&](const Formats& f) { return add(p, kDirect, f); });
  };
  const bool done = p.operands == Storage::bf16 && add_direct();
  // oneDNN's kernels for AMX read channels last; whether that is worth the reorders is measured.
  if (done && onednn::has_amx()) add(p, kDirect, Formats{Format::channels_last, Format::channels_last});
  p.operands = Storage::f32;
  if (!options.exact && p.winograd_shape()) add(p, kWinograd, Formats{blocked_format(), blocked_format()});
  if (!done) add_direct();
  return choices.empty() ? std::string(kOnlyReference) : "";
}

Ints kernel_of(const Type& w) { return Ints(w.shape.begin() + 2, w.shape.end()); }

}  // namespace

std::string lower_conv(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type &x = request.type(0), &w = request.type(1), &y = node.outputs[0];
  const Ints kernel = kernel_of(w);
  const auto given = [&](size_t i) { return i < node.inputs.size() && node.inputs[i]; };
  Epilogue epilogue{given(2), given(3)};
  Problem p;
  if (node.op == &ops::fused_conv) {
    const auto& a = node.attributes.as<FusedConvAttributes>();
    p = problem(x, w, y, {kernel, a.stride, a.dilation, a.pad, a.auto_pad}, a.groups, options);
    epilogue.rectify = a.activation == "relu";
  } else {
    const auto& a = node.attributes.as<ConvAttributes>();
    p = problem(x, w, y, {kernel, a.stride, a.dilation, a.pad, a.auto_pad}, a.groups, options);
  }
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const auto add = [&](const Problem& problem, dnnl::algorithm algorithm, Formats f) {
    return add_forward(request, problem, algorithm, f, epilogue, choices);
  };
  return add_choices(p, options, formats(p), add, choices);
}

std::string lower_conv_input_gradient(const Request& request, const CpuOptions& options,
                                      std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Ints kernel = kernel_of(request.type(1));
  const Problem p = problem(node.outputs[0], request.type(1), request.type(0), {kernel, a.stride, a.dilation, a.pad},
                            a.groups, options);
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const auto add = [&](const Problem& problem, dnnl::algorithm algorithm, Formats f) {
    return add_input_gradient(problem, algorithm, f, choices);
  };
  // A plain gradient from a blocked one would be computed by the reference loop: blocked even for images.
  const Formats same[] = {{blocked_format(), blocked_format()},
                          {Format::channels_last, Format::channels_last},
                          {Format::plain, Format::plain}};
  return add_choices(p, options, same, add, choices);
}

std::string lower_conv_weight_gradient(const Request& request, const CpuOptions& options,
                                       std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Problem p = problem(request.type(0), node.outputs[0], request.type(1), {a.sizes, a.stride, a.dilation, a.pad},
                            a.groups, options);
  if (std::string reason = unsupported(p); !reason.empty()) return reason;
  const auto add = [&](const Problem& problem, dnnl::algorithm algorithm, Formats f) {
    return add_weight_gradient(problem, algorithm, f, choices);
  };
  return add_choices(p, options, formats(p), add, choices);
}

}  // namespace fovea::cpu
