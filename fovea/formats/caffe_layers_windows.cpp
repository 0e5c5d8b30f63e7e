// Layers with learned sums: Convolution, Deconvolution, InnerProduct; and Pooling.
// Pooling's number of windows is ceil((H + 2·pad − K) / stride) + 1 (floor with round_mode FLOOR), less one where the
// last window would begin behind the padded picture's front part, H + pad. The average's divisor counts the part of the
// window inside the picture and its padding. Stochastic pooling is Σx² / Σx at test time.
// Source: Caffe's documentation of its layers and their published behaviour; Zeiler & Fergus, "Stochastic pooling",
// ICLR 2013, section 3.2.
#include "fovea/base/error.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/div.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

using Repeated = google::protobuf::RepeatedField<uint32_t>;

// A setting given once for all spatial axes, once an axis, or for two axes as _h and _w.
Ints axes_of(const Repeated& values, bool has_height, bool has_width, uint32_t height, uint32_t width, size_t axes,
             int64_t otherwise, std::string_view what) {
  if (has_height || has_width) {
    require(axes == 2 && values.empty(), ErrorKind::format, "{}_h and {}_w beside {} or for {} spatial axes", what,
            what, what, axes);
    return {has_height ? height : otherwise, has_width ? width : otherwise};
  }
  require(values.size() <= 1 || values.size() == static_cast<int>(axes), ErrorKind::format,
          "{} values of {} for {} spatial axes", values.size(), what, axes);
  if (values.size() > 1) return Ints(values.begin(), values.end());
  return Ints(std::vector<int64_t>(axes, values.empty() ? otherwise : values[0]));
}

struct Windows {
  Ints kernel, stride, pad, dilation;
  int64_t outputs, groups;
};

Windows windows_of(const CaffeLayer& layer) {
  const auto& p = layer.proto.convolution_param();
  require(layer.rank() >= 3, ErrorKind::format, "its bottom is {}, expected N, C and spatial axes",
          to_string(layer.shape()));
  require(layer.axis(p.axis()) == 1, ErrorKind::unsupported, "axis {}: only 1 is supported", p.axis());
  const size_t axes = static_cast<size_t>(layer.rank()) - 2;
  Windows w;
  w.kernel =
      axes_of(p.kernel_size(), p.has_kernel_h(), p.has_kernel_w(), p.kernel_h(), p.kernel_w(), axes, 0, "kernel");
  w.stride = axes_of(p.stride(), p.has_stride_h(), p.has_stride_w(), p.stride_h(), p.stride_w(), axes, 1, "stride");
  w.pad = axes_of(p.pad(), p.has_pad_h(), p.has_pad_w(), p.pad_h(), p.pad_w(), axes, 0, "pad");
  w.dilation = axes_of(p.dilation(), false, false, 0, 0, axes, 1, "dilation");
  for (const int64_t size : w.kernel) require(size >= 1, ErrorKind::format, "its kernel has no size");
  w.outputs = p.num_output();
  w.groups = p.group();
  require(w.outputs >= 1, ErrorKind::format, "num_output is missing or 0");
  require(w.groups >= 1 && layer.shape()[1] % w.groups == 0 && w.outputs % w.groups == 0, ErrorKind::format,
          "{} groups do not divide {} channels and {} outputs", w.groups, layer.shape()[1], w.outputs);
  return w;
}

// Several bottoms go through the same weights.
template <class Build>
std::vector<Value> for_each_bottom(CaffeLayer& layer, const Shape& weight_shape, int64_t outputs, bool bias_term,
                                   Build build) {
  const Value weight = layer.parameter(0, weight_shape);
  const Value bias = bias_term ? layer.parameter(1, {outputs}) : Value{};
  std::vector<Value> tops;
  for (size_t i = 0; i < layer.bottoms.size(); ++i) {
    require(layer.rank(i) == layer.rank() && layer.shape(i)[1] == layer.shape()[1], ErrorKind::format,
            "its bottoms are {} and {}, expected equal channels", to_string(layer.shape()), to_string(layer.shape(i)));
    tops.push_back(build(layer.in(i), weight, bias));
  }
  return tops;
}

std::vector<Value> convolution(CaffeLayer& layer) {
  const Windows w = windows_of(layer);
  Shape shape{w.outputs, layer.shape()[1] / w.groups};
  shape.insert(shape.end(), w.kernel.begin(), w.kernel.end());
  const ConvAttributes a{.stride = w.stride, .dilation = w.dilation, .pad = w.pad, .groups = w.groups};
  return for_each_bottom(layer, shape, w.outputs, layer.proto.convolution_param().bias_term(),
                         [&](Value x, Value weight, Value bias) { return conv(layer.graph, x, weight, bias, a); });
}

std::vector<Value> deconvolution(CaffeLayer& layer) {
  const Windows w = windows_of(layer);
  Shape shape{layer.shape()[1], w.outputs / w.groups};
  shape.insert(shape.end(), w.kernel.begin(), w.kernel.end());
  const ConvTransposeSettings s{.stride = w.stride, .dilation = w.dilation, .pad = w.pad, .groups = w.groups};
  return for_each_bottom(
      layer, shape, w.outputs, layer.proto.convolution_param().bias_term(),
      [&](Value x, Value weight, Value bias) { return conv_transpose(layer.graph, x, weight, bias, s); });
}

std::vector<Value> inner_product(CaffeLayer& layer) {
  const auto& p = layer.proto.inner_product_param();
  const int64_t axis = layer.axis(p.axis(), true), outputs = p.num_output();
  require(outputs >= 1, ErrorKind::format, "num_output is missing or 0");
  const Shape x = layer.shape();
  const int64_t inputs = x.count(axis, x.rank());
  const Value weight = layer.parameter(0, p.transpose() ? Shape{inputs, outputs} : Shape{outputs, inputs});
  const Value bias = p.bias_term() ? layer.parameter(1, {outputs}) : Value{};
  Graph& g = layer.graph;
  const Value rows = axis == 1 && x.rank() == 2 ? layer.in() : flatten(g, layer.in(), axis);
  const Value y = gemm(g, rows, weight, bias, {.trans_b = !p.transpose()});
  if (axis == 1) return {y};
  Shape top(x.begin(), x.begin() + axis);
  top.push_back(outputs);
  return {reshape(g, y, top)};
}

// Σx² / Σx over each window; 0 where nothing is above 0.
Value stochastic_pool(Graph& g, Value x, AveragePoolAttributes a) {
  a.sum = true;
  const Value total = average_pool(g, x, a), squares = average_pool(g, mul(g, x, x), a);
  const Value zero = scalar(g, 0, g.dtype(x));
  return where(g, greater(g, total, zero), div(g, squares, total), zero);
}

std::vector<Value> pooling(CaffeLayer& layer) {
  const auto& p = layer.proto.pooling_param();
  Graph& g = layer.graph;
  const Value x = layer.in();
  const Shape shape = layer.shape();
  require(shape.rank() == 4, ErrorKind::format, "its bottom is {}, expected N,C,H,W", to_string(shape));
  using Method = caffe::PoolingParameter;
  if (p.global_pooling()) {
    require(p.pool() != Method::STOCHASTIC, ErrorKind::unsupported, "global stochastic pooling is not supported");
    require(!p.has_kernel_size() && !p.has_kernel_h() && !p.has_kernel_w(), ErrorKind::format,
            "global pooling with a kernel size");
    return {p.pool() == Method::MAX ? global_max_pool(g, x) : global_average_pool(g, x)};
  }
  const bool square = p.has_kernel_size();
  require(square != (p.has_kernel_h() && p.has_kernel_w()), ErrorKind::format,
          "expected kernel_size, or both kernel_h and kernel_w");
  const Ints kernel = square ? Ints{p.kernel_size(), p.kernel_size()} : Ints{p.kernel_h(), p.kernel_w()};
  const Ints stride{p.has_stride_h() ? p.stride_h() : p.stride(), p.has_stride_w() ? p.stride_w() : p.stride()};
  const Ints pad{p.has_pad_h() ? p.pad_h() : p.pad(), p.has_pad_w() ? p.pad_w() : p.pad()};
  const bool floor = p.round_mode() == Method::FLOOR, padded = pad[0] > 0 || pad[1] > 0;
  AveragePoolAttributes a{.stride = stride, .pad = pad, .ceil = !floor, .include_pad = padded};
  for (size_t k = 0; k < 2; ++k)
    a.kernel.push_back(caffe_pool_axis(shape[k + 2], kernel[k], stride[k], pad[k], padded, floor).kernel);
  if (p.pool() == Method::AVE) return {average_pool(g, x, a)};
  if (p.pool() == Method::MAX)
    return {max_pool(g, x, {.kernel = a.kernel, .stride = stride, .pad = pad, .ceil = !floor})};
  require(!padded, ErrorKind::format, "stochastic pooling does not pad");
  return {stochastic_pool(g, x, a)};
}

}  // namespace

CaffePoolAxis caffe_pool_axis(int64_t input, int64_t kernel, int64_t stride, int64_t pad, bool padded, bool floor) {
  require(kernel >= 1 && stride >= 1 && pad < kernel, ErrorKind::format,
          "kernel {}, stride {}, pad {}: expected sizes of at least 1 and less padding than the kernel", kernel, stride,
          pad);
  const int64_t slack = input + 2 * pad - kernel;
  int64_t output = floor || slack < 0 ? slack / stride + 1 : (slack + stride - 1) / stride + 1;
  if (floor && slack < 0) output = 0;
  if (padded && (output - 1) * stride >= input + pad) --output;
  require(input >= 1 && output >= 1, ErrorKind::shape, "a window of {} does not fit into {} + {} + {}", kernel, pad,
          input, pad);
  require((output - 1) * stride - pad < input, ErrorKind::unsupported,
          "its last window lies outside of the picture (kernel {}, stride {}, input {})", kernel, stride, input);
  return {std::min(kernel, input + 2 * pad), output};
}

std::span<const CaffeType> caffe_window_types() {
  static constexpr int kMany = 64;
  static constexpr CaffeType kTypes[] = {
      {"Convolution", convolution, 1, kMany},
      {"Deconvolution", deconvolution, 1, kMany},
      {"InnerProduct", inner_product},
      {"Pooling", pooling},
  };
  return kTypes;
}

}  // namespace fovea
