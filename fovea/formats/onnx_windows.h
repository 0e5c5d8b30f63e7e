// The attributes that ONNX's convolutions and poolings share.
#pragma once

#include "fovea/formats/onnx_node.h"

namespace fovea {

struct OnnxWindow {
  Ints kernel, stride, dilation, pad;  // as in ConvAttributes
  std::string auto_pad;
  bool ceil = false;
  int64_t stride_of(size_t axis) const { return axis < stride.size() ? stride[axis] : 1; }
  int64_t dilation_of(size_t axis) const { return axis < dilation.size() ? dilation[axis] : 1; }
  int64_t pad_of(size_t side) const { return side < pad.size() ? pad[side] : 0; }
};

// Reads kernel_shape, strides, dilations, pads and auto_pad. Throws Error{format} for lists that do not match the
// input's rank.
OnnxWindow onnx_window(OnnxNode& node);

}  // namespace fovea
