// ONNX operators that hold a network's weights: convolutions and matrix products.
#include <algorithm>

#include "fovea/formats/onnx_node.h"
#include "fovea/formats/onnx_windows.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/matmul.h"

namespace fovea {

OnnxWindow onnx_window(OnnxNode& n) {
  OnnxWindow w;
  w.kernel = n.ints("kernel_shape");
  w.stride = n.ints("strides");
  w.dilation = n.ints("dilations");
  w.pad = n.ints("pads");
  const std::string mode = n.text("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER") w.auto_pad = "same_upper";
  else if (mode == "SAME_LOWER") w.auto_pad = "same_lower";
  else if (mode == "VALID") w.auto_pad = "valid";
  else require(mode == "NOTSET" || mode.empty(), ErrorKind::unsupported, "unsupported auto_pad \"{}\"", mode);
  const size_t axes = static_cast<size_t>(std::max<int64_t>(n.rank(0) - 2, 0));
  const auto fits = [&](const Ints& list, size_t size, std::string_view what) {
    require(list.empty() || list.size() == size, ErrorKind::format, "{} has {} values for {} spatial axes", what,
            list.size(), axes);
    for (const int64_t value : list)
      require(value >= 0 && value < (int64_t{1} << 31), ErrorKind::unsupported, "unsupported {} {}", what,
              to_string(list));
  };
  fits(w.kernel, axes, "kernel_shape");
  fits(w.stride, axes, "strides");
  fits(w.dilation, axes, "dilations");
  fits(w.pad, 2 * axes, "pads");
  if (!w.auto_pad.empty()) w.pad = {};
  return w;
}

namespace {

Ints kernel_sizes(const Shape& weight) { return weight.size() < 2 ? Ints() : Ints(weight.begin() + 2, weight.end()); }

void check_kernel(const OnnxWindow& w, const Shape& weight) {
  require(w.kernel.empty() || w.kernel == kernel_sizes(weight), ErrorKind::shape,
          "kernel_shape is {}, the weight is {}", to_string(w.kernel), to_string(weight));
}

std::vector<Value> convolution(OnnxNode& n) {
  const OnnxWindow w = onnx_window(n);
  check_kernel(w, n.shape(1));
  return {conv(n.graph, n.in(0), n.in(1), n.maybe(2),
               {.stride = w.stride,
                .dilation = w.dilation,
                .pad = w.pad,
                .groups = n.integer("group", 1),
                .auto_pad = w.auto_pad})};
}

std::vector<Value> transposed_convolution(OnnxNode& n) {
  const OnnxWindow w = onnx_window(n);
  check_kernel(w, n.shape(1));
  return {conv_transpose(n.graph, n.in(0), n.in(1), n.maybe(2),
                         {.stride = w.stride,
                          .dilation = w.dilation,
                          .pad = w.pad,
                          .groups = n.integer("group", 1),
                          .output_padding = n.ints("output_padding"),
                          .output_shape = n.ints("output_shape"),
                          .auto_pad = w.auto_pad})};
}

std::vector<Value> general_product(OnnxNode& n) {
  if (n.opset < 7) n.ignore("broadcast");  // the shapes say it
  const GemmAttributes a{.alpha = n.real("alpha", 1),
                         .beta = n.real("beta", 1),
                         .trans_a = n.flag("transA", false),
                         .trans_b = n.flag("transB", false)};
  return {gemm(n.graph, n.in(0), n.in(1), n.maybe(2), a)};
}

std::vector<Value> product(OnnxNode& n) { return {matmul(n.graph, n.in(0), n.in(1))}; }

constexpr OnnxOperator kOperators[] = {
    {"Conv", convolution},
    {"ConvTranspose", transposed_convolution},
    {"Gemm", general_product},
    {"MatMul", product},
};

}  // namespace

std::span<const OnnxOperator> onnx_network_operators() { return kOperators; }

}  // namespace fovea
