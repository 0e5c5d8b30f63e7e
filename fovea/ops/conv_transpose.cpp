// conv_transpose: y[n,o,q] = bias[o] + Σ_{i,p,k: p·stride − pad + k·dilation = q} x[n,i,p] · w[i,o,k]
// This is the adjoint of conv in its input. The output has (in − 1) · stride + output_padding + (k − 1) · dilation + 1
// positions less the pads, or those that output_shape asks for, from which the pads follow.
// Source: ONNX ConvTranspose-11; Zeiler et al., "Deconvolutional networks", CVPR 2010; Dumoulin & Visin, "A guide to
// convolution arithmetic for deep learning", arXiv 1603.07285.
#include "fovea/ops/conv_transpose.h"

#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

// One spatial axis: the output size, the part of it that the convolution reaches, and the padding around that part.
struct Axis {
  int64_t output, reached, pad_begin, pad_end;
};

Axis axis_of(int64_t input, int64_t kernel, size_t k, size_t n, const ConvTransposeSettings& s) {
  const int64_t stride = axis_value(s.stride, k, 1), dilation = axis_value(s.dilation, k, 1);
  const int64_t extra = axis_value(s.output_padding, k, 0);
  constexpr int64_t limit = int64_t{1} << 31;
  require(stride >= 1 && dilation >= 1 && kernel >= 1 && extra >= 0 && stride < limit && dilation < limit &&
              kernel < limit && extra < limit && input >= 1,
          ErrorKind::shape,
          "conv_transpose: input {}, kernel {}, stride {}, dilation {}, output padding {} at spatial axis {}", input,
          kernel, stride, dilation, extra, k);
  const int64_t full = (input - 1) * stride + (kernel - 1) * dilation + 1;  // without any padding
  const bool same = s.auto_pad == "same_upper" || s.auto_pad == "same_lower";
  Axis a{};
  if (!s.output_shape.empty() || same) {
    a.output = s.output_shape.empty() ? input * stride : axis_value(s.output_shape, k, 1);
    const int64_t total = std::max<int64_t>(0, full + extra - a.output);
    a.pad_begin = s.auto_pad == "same_upper" ? total / 2 : total - total / 2;
  } else {
    const bool valid = s.auto_pad == "valid";
    a.pad_begin = valid ? 0 : axis_value(s.pad, k, 0);
    const int64_t end = valid ? 0 : s.pad.size() == 2 * n ? s.pad[n + k] : a.pad_begin;
    require(a.pad_begin >= 0 && end >= 0 && a.pad_begin < limit && end < limit, ErrorKind::shape,
            "conv_transpose: padding {}, {} must not be negative or huge", a.pad_begin, end);
    a.output = full + extra - a.pad_begin - end;
  }
  // A convolution over `reached` positions gives exactly `input` outputs.
  a.reached = std::min(a.output, full - a.pad_begin + stride - 1);
  require(a.output >= 1 && a.reached >= 1, ErrorKind::shape,
          "conv_transpose: the output size at spatial axis {} is {} (input {}, kernel {}, stride {}, pad {})", k,
          a.output, input, kernel, stride, a.pad_begin);
  a.pad_end = std::max<int64_t>(0, full - a.pad_begin - a.reached);
  return a;
}

}  // namespace

Value conv_transpose(Graph& g, Value x, Value weight, Value bias, ConvTransposeSettings s) {
  const Shape shape = g.shape(x), w = g.shape(weight);
  const std::vector<int64_t> spatial = spatial_sizes(shape);
  const size_t n = spatial.size();
  require(w.rank() == shape.rank() && w[0] == shape[1] && s.groups >= 1, ErrorKind::shape,
          "conv_transpose: input is {}, weight is {}: expected N,I,spatial and I,O/G,kernel", to_string(shape),
          to_string(w));
  const auto fits = [&](const Ints& values, std::string_view what) {
    require(values.size() <= 1 || values.size() == n || (what == "pad" && values.size() == 2 * n), ErrorKind::shape,
            "conv_transpose: {} values of {} for {} spatial axes", values.size(), what, n);
  };
  fits(s.stride, "stride");
  fits(s.dilation, "dilation");
  fits(s.pad, "pad");
  fits(s.output_padding, "output padding");
  fits(s.output_shape, "output shape");
  std::vector<Axis> axes;
  for (size_t k = 0; k < n; ++k) axes.push_back(axis_of(spatial[k], w[k + 2], k, n, s));
  ConvAdjointAttributes a{.stride = s.stride, .dilation = s.dilation, .groups = s.groups};
  for (const Axis& axis : axes) a.pad.push_back(axis.pad_begin);
  for (const Axis& axis : axes) a.pad.push_back(axis.pad_end);
  for (const Axis& axis : axes) a.sizes.push_back(axis.reached);
  Value y = conv_input_gradient(g, x, weight, a);
  for (size_t k = 0; k < n; ++k) {
    if (axes[k].reached == axes[k].output) continue;
    Shape rest = g.shape(y);
    rest[k + 2] = axes[k].output - axes[k].reached;
    y = concat(g, {y, constant(g, Tensor(g.dtype(y), rest))}, static_cast<int64_t>(k) + 2);
  }
  if (!bias) return y;
  Shape channel(shape.size(), 1);
  channel[1] = g.shape(y)[1];
  require(g.shape(bias) == Shape{channel[1]}, ErrorKind::shape, "conv_transpose: bias is {}, expected {}",
          to_string(g.shape(bias)), channel[1]);
  return add(g, y, reshape(g, bias, channel));
}

}  // namespace fovea
