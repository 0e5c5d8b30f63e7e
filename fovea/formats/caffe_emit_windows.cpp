// Convolutions, poolings and matrix products as Caffe's layers; see caffe_layers_windows.cpp for what those mean.
#include "fovea/base/error.h"
#include "fovea/formats/caffe_emit.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

void add_axes(google::protobuf::RepeatedField<uint32_t>* to, const std::vector<int64_t>& values) {
  const bool equal = std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == values[0]; });
  for (size_t k = 0; k < (equal ? 1 : values.size()); ++k) to->Add(static_cast<uint32_t>(values[k]));
}

// Writes the geometry of a convolution between spatial sizes; false where Caffe would give other sizes.
caffe::ConvolutionParameter& add_windows(CaffeEmission& e, caffe::LayerParameter& layer,
                                         const std::vector<WindowAxis>& axes, int64_t outputs, int64_t groups) {
  std::vector<int64_t> kernel, stride, pad, dilation;
  for (const WindowAxis& a : axes) {
    if (a.pad_begin != a.pad_end) e.refuse("Caffe pads both sides alike");
    kernel.push_back(a.kernel);
    stride.push_back(a.stride);
    pad.push_back(a.pad_begin);
    dilation.push_back(a.dilation);
  }
  auto& p = *layer.mutable_convolution_param();
  p.set_num_output(static_cast<uint32_t>(outputs));
  add_axes(p.mutable_kernel_size(), kernel);
  if (stride != std::vector<int64_t>(axes.size(), 1)) add_axes(p.mutable_stride(), stride);
  if (pad != std::vector<int64_t>(axes.size(), 0)) add_axes(p.mutable_pad(), pad);
  if (dilation != std::vector<int64_t>(axes.size(), 1)) add_axes(p.mutable_dilation(), dilation);
  if (groups != 1) p.set_group(static_cast<uint32_t>(groups));
  return p;
}

void conv_node(CaffeEmission& e) {
  const auto& a = e.as<ConvAttributes>();
  const Tensor weight = e.fixed(1, "its weight");
  const Ints kernel(weight.shape().begin() + 2, weight.shape().end());
  auto axes = window_axes(spatial_sizes(e.shape()), {kernel, a.stride, a.dilation, a.pad, a.auto_pad});
  auto& layer = e.layer("Convolution");
  auto& p = add_windows(e, layer, axes, weight.size(0), a.groups);
  add_blob(layer, weight);
  if (e.has(2)) add_blob(layer, e.fixed(2, "its bias"));
  else p.set_bias_term(false);
}

// `node` is the adjoint of a convolution; with a bias the layer stands for the addition behind it.
void deconvolution(CaffeEmission& e, const Node& node, const std::optional<Tensor>& bias) {
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const auto weight = e.numbers(node.inputs[1]);
  if (!weight) e.refuse("its weight depends on the picture");
  const Ints kernel(weight->shape().begin() + 2, weight->shape().end());
  const auto axes = window_axes({a.sizes.begin(), a.sizes.end()}, {kernel, a.stride, a.dilation, a.pad});
  for (const WindowAxis& axis : axes)
    if ((axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - 2 * axis.pad_begin != axis.input)
      e.refuse("Caffe's Deconvolution would give another size");
  auto& layer = e.layer("Deconvolution", {node.inputs[0]});
  auto& p = add_windows(e, layer, axes, weight->size(1) * a.groups, a.groups);
  add_blob(layer, *weight);
  if (bias) add_blob(layer, *bias);
  else p.set_bias_term(false);
}

void conv_input_gradient_node(CaffeEmission& e) { deconvolution(e, e.node, std::nullopt); }

// The pooling parameters for these windows, rounding up where both give the same sizes.
void pool(CaffeEmission& e, const Ints& kernel, const Ints& stride, const Ints& dilation, const Ints& pad,
          const std::string& auto_pad, bool ceil, caffe::PoolingParameter::PoolMethod method) {
  if (e.shape().rank() != 4) e.refuse("Caffe pools two spatial axes");
  const auto axes = window_axes(spatial_sizes(e.shape()), {kernel, stride, dilation, pad, auto_pad, ceil});
  const bool padded = axes[0].pad_begin > 0 || axes[1].pad_begin > 0;
  bool fits[2] = {true, true};  // rounding up, down
  for (const WindowAxis& a : axes) {
    if (a.dilation != 1) e.refuse("Caffe's pooling has no dilation");
    if (a.pad_begin != a.pad_end) e.refuse("Caffe pads both sides alike");
    if (a.pad_begin >= a.kernel) e.refuse("Caffe's padding is smaller than the window");
    for (const bool floor : {false, true}) try {
        const CaffePoolAxis there = caffe_pool_axis(a.input, a.kernel, a.stride, a.pad_begin, padded, floor);
        fits[floor] = fits[floor] && there.output == a.output && there.kernel == a.kernel;
      } catch (const Error&) { fits[floor] = false; }
  }
  if (!fits[0] && !fits[1]) e.refuse("Caffe's pooling would give another size");
  auto& p = *e.layer("Pooling").mutable_pooling_param();
  p.set_pool(method);
  const auto say = [](int64_t h, int64_t w, auto both, auto height, auto width) {
    if (h == w) return both(static_cast<uint32_t>(h));
    height(static_cast<uint32_t>(h));
    width(static_cast<uint32_t>(w));
  };
  say(
      axes[0].kernel, axes[1].kernel, [&](uint32_t v) { p.set_kernel_size(v); }, [&](uint32_t v) { p.set_kernel_h(v); },
      [&](uint32_t v) { p.set_kernel_w(v); });
  say(
      axes[0].stride, axes[1].stride, [&](uint32_t v) { p.set_stride(v); }, [&](uint32_t v) { p.set_stride_h(v); },
      [&](uint32_t v) { p.set_stride_w(v); });
  if (padded)
    say(
        axes[0].pad_begin, axes[1].pad_begin, [&](uint32_t v) { p.set_pad(v); }, [&](uint32_t v) { p.set_pad_h(v); },
        [&](uint32_t v) { p.set_pad_w(v); });
  if (!fits[0]) p.set_round_mode(caffe::PoolingParameter::FLOOR);
}

void max_pool_node(CaffeEmission& e) {
  const auto& a = e.as<MaxPoolAttributes>();
  pool(e, a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil, caffe::PoolingParameter::MAX);
}

void average_pool_node(CaffeEmission& e) {
  const auto& a = e.as<AveragePoolAttributes>();
  if (a.sum) e.refuse("Caffe does not pool sums");
  const auto axes = window_axes(spatial_sizes(e.shape()), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  for (const WindowAxis& axis : axes)
    if ((axis.pad_begin > 0 || axis.pad_end > 0) && !a.include_pad) e.refuse("Caffe's average counts padding");
  pool(e, a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil, caffe::PoolingParameter::AVE);
}

void global_average_pool_node(CaffeEmission& e) {
  if (e.shape().rank() != 4) e.refuse("Caffe pools two spatial axes");
  auto& p = *e.layer("Pooling").mutable_pooling_param();
  p.set_pool(caffe::PoolingParameter::AVE);
  p.set_global_pooling(true);
}

void adaptive_average_pool_node(CaffeEmission& e) {
  const std::vector<int64_t> in = spatial_sizes(e.shape()), out = spatial_sizes(e.result());
  if (out == std::vector<int64_t>(in.size(), 1)) return global_average_pool_node(e);
  Ints kernel;
  for (size_t k = 0; k < in.size(); ++k) {
    if (in[k] % out[k] != 0) e.refuse("its windows overlap unevenly");
    kernel.push_back(in[k] / out[k]);
  }
  pool(e, kernel, kernel, {}, {}, "", false, caffe::PoolingParameter::AVE);
}

void gemm_node(CaffeEmission& e) {
  const auto& a = e.as<GemmAttributes>();
  if (a.alpha != 1 || a.beta != 1 || a.trans_a)
    e.refuse("Caffe's InnerProduct has no alpha, beta and transposed input");
  const Tensor weight = e.fixed(1, "its weight");
  const int64_t outputs = e.result()[1];
  auto& layer = e.layer("InnerProduct");
  auto& p = *layer.mutable_inner_product_param();
  p.set_num_output(static_cast<uint32_t>(outputs));
  if (!a.trans_b) p.set_transpose(true);
  add_blob(layer, weight);
  if (!e.has(2)) return p.set_bias_term(false);
  const Tensor bias = e.fixed(2, "its bias");
  if (bias.count() != outputs || bias.size(-1) != outputs) e.refuse("its bias is not one a class");
  add_blob(layer, bias.reshaped({outputs}));
}

}  // namespace

bool emit_caffe_deconvolution(CaffeEmission& e, Value adjoint, const Tensor& bias) {
  const Node* node = e.only(adjoint, "conv_input_gradient");
  if (!node || bias.count() != e.result()[1]) return false;
  e.merge(adjoint);
  deconvolution(e, *node, bias.reshaped({bias.count()}));
  return true;
}

std::span<const CaffeEmitter> caffe_window_emitters() {
  static constexpr CaffeEmitter kEmitters[] = {
      {"adaptive_average_pool", adaptive_average_pool_node},
      {"average_pool", average_pool_node},
      {"conv", conv_node},
      {"conv_input_gradient", conv_input_gradient_node},
      {"gemm", gemm_node},
      {"global_average_pool", global_average_pool_node},
      {"max_pool", max_pool_node},
  };
  return kEmitters;
}

}  // namespace fovea
