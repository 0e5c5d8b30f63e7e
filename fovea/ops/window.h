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
  const Ints& kernel;              // one size an axis
  const Ints& stride;              // one for all axes, or one an axis; empty means 1
  const Ints& dilation;            // as stride
  const Ints& pad;                 // empty 0; one for all sides; one an axis (both sides); or all begins then all ends
  std::string_view auto_pad = "";  // "", "same_upper", "same_lower", "valid"
  bool ceil =
      false;  // round the output size up; a window that would start in the end padding is dropped (PyTorch, ONNX ≥ 19)
};

// The axes of a window over the spatial sizes (the shape without N and C). Throws Error{shape}: wrong number of values,
// a stride or dilation below 1, negative padding, a window larger than the padded input.
std::vector<WindowAxis> window_axes(const std::vector<int64_t>& spatial, const WindowSettings& settings);

// The spatial part of an N, C, ... shape. Throws Error{shape} for a rank below 3.
std::vector<int64_t> spatial_sizes(const Shape& shape);

// One element of one window.
struct WindowElement {
  int64_t output;   // row-major index of the window among the output positions
  int64_t kernel;   // row-major index of the element in the window
  int64_t input;    // row-major index of the element among the input positions; -1 outside of the input
  bool in_padding;  // outside of the input but inside its padding (a last, partial window of ceil mode reaches beyond)
};

// Calls f(WindowElement) for every element of every window, window by window.
template <class F>
void for_each_window_element(const std::vector<WindowAxis>& axes, F f) {
  int64_t outputs = 1, kernels = 1;
  for (const WindowAxis& a : axes) outputs *= a.output, kernels *= a.kernel;
  for (int64_t output = 0; output < outputs; ++output)
    for (int64_t kernel = 0; kernel < kernels; ++kernel) {
      int64_t position = 0, step = 1, o = output, k = kernel;
      bool inside = true, padded = true;
      for (size_t axis = axes.size(); axis-- > 0;) {
        const WindowAxis& a = axes[axis];
        const int64_t at = a.at(o % a.output, k % a.kernel);
        o /= a.output;
        k /= a.kernel;
        inside = inside && at >= 0 && at < a.input;
        padded = padded && at < a.input + a.pad_end;
        position += at * step;
        step *= a.input;
      }
      f(WindowElement{output, kernel, inside ? position : -1, padded && !inside});
    }
}

// Value k of a list that may hold one value for all axes, or none (then `otherwise`).
int64_t axis_value(const Ints& values, size_t axis, int64_t otherwise);

}  // namespace fovea
