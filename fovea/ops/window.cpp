#include "fovea/ops/window.h"

#include <algorithm>

#include "fovea/base/error.h"

namespace fovea {

std::vector<int64_t> spatial_sizes(const Shape& shape) {
  require(shape.rank() >= 3, ErrorKind::shape, "expected N, C and at least one spatial axis, got {}", to_string(shape));
  return {shape.begin() + 2, shape.end()};
}

int64_t axis_value(const Ints& values, size_t axis, int64_t otherwise) {
  if (values.empty()) return otherwise;
  return values.size() == 1 ? values[0] : values[axis];
}

std::vector<WindowAxis> window_axes(const std::vector<int64_t>& spatial, const WindowSettings& s) {
  const size_t n = spatial.size();
  const auto fits = [&](const Ints& values, size_t most, std::string_view what) {
    require(values.size() <= 1 || values.size() == n || values.size() == most, ErrorKind::shape,
            "{} values of {} for {} spatial axes", values.size(), what, n);
  };
  require(s.kernel.size() == n || s.kernel.size() == 1, ErrorKind::shape, "kernel has {} sizes for {} spatial axes",
          s.kernel.size(), n);
  fits(s.stride, n, "stride");
  fits(s.dilation, n, "dilation");
  fits(s.pad, 2 * n, "pad");
  std::vector<WindowAxis> axes(n);
  for (size_t k = 0; k < n; ++k) {
    WindowAxis& a = axes[k];
    a.input = spatial[k];
    a.kernel = axis_value(s.kernel, k, 1);
    a.stride = axis_value(s.stride, k, 1);
    a.dilation = axis_value(s.dilation, k, 1);
    a.pad_begin = axis_value(s.pad, k, 0);
    a.pad_end = s.pad.size() == 2 * n ? s.pad[n + k] : a.pad_begin;
    constexpr int64_t limit = int64_t{1} << 31;
    require(a.kernel >= 1 && a.stride >= 1 && a.dilation >= 1 && a.kernel < limit && a.stride < limit &&
                a.dilation < limit && a.kernel * a.dilation < limit,
            ErrorKind::shape, "kernel {}, stride {} and dilation {} must be at least 1 and below 2^31", a.kernel,
            a.stride, a.dilation);
    require(a.pad_begin >= 0 && a.pad_end >= 0 && a.pad_begin < limit && a.pad_end < limit, ErrorKind::shape,
            "padding {}, {} must not be negative or huge", a.pad_begin, a.pad_end);
    const int64_t extent = (a.kernel - 1) * a.dilation + 1;
    if (s.auto_pad == "same_upper" || s.auto_pad == "same_lower") {
      a.output = (a.input + a.stride - 1) / a.stride;
      const int64_t total = std::max<int64_t>(0, (a.output - 1) * a.stride + extent - a.input);
      a.pad_begin = s.auto_pad == "same_upper" ? total / 2 : total - total / 2;
      a.pad_end = total - a.pad_begin;
      continue;
    }
    if (s.auto_pad == "valid") a.pad_begin = a.pad_end = 0;
    const int64_t slack = a.input + a.pad_begin + a.pad_end - extent;
    require(slack >= 0, ErrorKind::shape,
            "a window of {} does not fit into {} + {} + {} at spatial axis {}: the picture is smaller than the "
            "network's field",
            extent, a.pad_begin, a.input, a.pad_end, k);
    a.output = slack / a.stride + 1;
    if (s.ceil && slack % a.stride != 0 && a.output * a.stride < a.input + a.pad_begin) ++a.output;
  }
  return axes;
}

}  // namespace fovea
