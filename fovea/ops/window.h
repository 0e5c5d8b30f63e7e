// Sliding windows: the geometry that convolutions and poolings share.
#pragma once

#include <string>
#include <vector>

#include "fovea/tensor/shape.h"

namespace fovea {

// One spatial axis of a sliding window.
struct WindowAxis {
  int64_t input = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0, output = 1;
  // Position in the input of window element k at output position o; outside of [0, input) it is padding.
  int64_t at(int64_t o, int64_t k) const { return o * stride - pad_begin + k * dilation; }
};

struct WindowSettings {
  const Ints& kernel;    // one size an axis
  const Ints& stride;    // one for all axes, or one an axis; empty means 1
  const Ints& dilation;  // as stride
  const Ints& pad;       // empty 0; one for all sides; one an axis (both sides); or all begins then all ends
  std::string_view auto_pad = "";  // "", "same_upper", "same_lower", "valid"
  bool ceil = false;     // round the output size up; a window that would start in the end padding is dropped (PyTorch, ONNX ≥ 19)
};

// The axes of a window over the spatial sizes (the shape without N and C). Throws Error{shape}: wrong number of values, a stride or
// dilation below 1, negative padding, a window larger than the padded input.
std::vector<WindowAxis> window_axes(const std::vector<int64_t>& spatial, const WindowSettings& settings);

// The spatial part of an N, C, ... shape. Throws Error{shape} for a rank below 3.
std::vector<int64_t> spatial_sizes(const Shape& shape);

// Value k of a list that may hold one value for all axes, or none (then `otherwise`).
int64_t axis_value(const Ints& values, size_t axis, int64_t otherwise);

}  // namespace fovea
