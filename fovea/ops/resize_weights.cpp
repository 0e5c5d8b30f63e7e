// For output position o of an axis with n elements and scale s (width w = n · s before rounding down), a source
// position u:
//   half_pixel            (o + ½)/s − ½
//   half_pixel_symmetric  the same + n/2 · (1 − output/w)
//   pytorch_half_pixel    as half_pixel; −½ for w = 1
//   asymmetric            o/s
//   align_corners         o (n − 1)/(w − 1); 0 for w = 1
//   tf_crop_and_resize    (begin + o (end − begin)/(w − 1)) · (n − 1); the middle of the region for w = 1
//
// u = base + t with an integer base and 0 < t ≤ 1. The kernels around it:
//   nearest               base or base + 1
//   linear                1 − t, t
//   cubic                 Keys's kernel with coefficient a at the distances 1 + t, t, 1 − t, 2 − t
//   antialias (s < 1)     linear or cubic stretched by 1/s and normalised
//
// Positions outside of the axis read its edge, or count as 0 with exclude_outside (the other weights then sum to 1).
// Source: ONNX Resize-19; Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 29, 1981.
#include "fovea/ops/resize_weights.h"

#include <algorithm>
#include <cmath>

namespace fovea {

namespace {

// One axis before its weights: sizes and the scale between them.
struct Scaling {
  size_t axis;
  int64_t input, output;
  double scale, width;  // width: the output size before rounding down
  double begin = 0, end = 1;
};

std::vector<size_t> named_axes(const Shape& shape, const Ints& axes) {
  std::vector<size_t> result;
  for (const int64_t axis : axes) {
    result.push_back(static_cast<size_t>(normal_axis(axis, shape.rank(), "resize")));
    require(std::count(result.begin(), result.end(), result.back()) == 1, ErrorKind::shape, "axis {} is given twice",
            axis);
  }
  if (axes.empty())
    for (size_t k = 0; k < shape.size(); ++k) result.push_back(k);
  return result;
}

void set_sizes(std::vector<Scaling>& all, const std::vector<int64_t>& sizes, const std::string& aspect) {
  require(aspect == "stretch" || aspect == "not_larger" || aspect == "not_smaller", ErrorKind::usage,
          "unknown aspect policy '{}'", aspect);
  double common = aspect == "not_larger" ? INFINITY : 0;
  for (size_t k = 0; k < all.size(); ++k) {
    Scaling& s = all[k];
    require(sizes[k] >= 0 && (s.input > 0 || sizes[k] == 0), ErrorKind::shape, "cannot resize {} elements to {}",
            s.input, sizes[k]);
    s.output = sizes[k];
    s.width = static_cast<double>(sizes[k]);
    s.scale = s.input > 0 ? s.width / static_cast<double>(s.input) : 1;
    common = aspect == "not_larger" ? std::min(common, s.scale) : std::max(common, s.scale);
  }
  if (aspect == "stretch") return;
  for (Scaling& s : all) {
    s.scale = common;
    s.width = common * static_cast<double>(s.input);
    require(s.width < 1e12, ErrorKind::shape, "size {} is too large", s.width);
    s.output = static_cast<int64_t>(std::floor(s.width + 0.5));
  }
}

std::vector<Scaling> scalings(const Shape& shape, const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                              const ResizeAttributes& a) {
  const std::vector<size_t> axes = named_axes(shape, a.axes);
  require(scales.empty() != sizes.empty() || axes.empty(), ErrorKind::shape, "expected either scales or sizes");
  const size_t given = scales.empty() ? sizes.size() : scales.size();
  require(given == axes.size(), ErrorKind::shape, "{} {} for {} axes", given, scales.empty() ? "sizes" : "scales",
          axes.size());
  std::vector<Scaling> all;
  for (const size_t axis : axes) all.push_back({axis, shape[axis], 0, 1, 0});
  if (scales.empty()) {
    set_sizes(all, sizes, a.aspect);
    return all;
  }
  for (size_t k = 0; k < all.size(); ++k) {
    Scaling& s = all[k];
    s.scale = scales[k];
    s.width = s.scale * static_cast<double>(s.input);
    require(s.scale > 0 && s.width < 1e12, ErrorKind::shape, "cannot resize {} elements by {}", s.input, s.scale);
    s.output = static_cast<int64_t>(std::floor(static_cast<float>(s.scale) * static_cast<float>(s.input)));
  }
  return all;
}

double source_position(const Scaling& s, int64_t output, const std::string& coordinates) {
  const double o = static_cast<double>(output), n = static_cast<double>(s.input);
  if (coordinates == "asymmetric") return o / s.scale;
  if (coordinates == "align_corners") return s.width == 1 ? 0 : o * (n - 1) / (s.width - 1);
  if (coordinates == "tf_crop_and_resize") {
    const double step =
        s.width == 1 ? (s.end - s.begin) * (n - 1) / 2 : o * (s.end - s.begin) * (n - 1) / (s.width - 1);
    return s.begin * (n - 1) + step;
  }
  if (coordinates == "pytorch_half_pixel" && s.width == 1) return -0.5;
  const double half_pixel = (o + 0.5) / s.scale - 0.5;
  if (coordinates == "half_pixel_symmetric") return n / 2 * (1 - static_cast<double>(s.output) / s.width) + half_pixel;
  return half_pixel;
}

double keys(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * a * x - 4 * a;
  return 0;
}

// Weights of base + first, base + first + 1, …
struct Kernel {
  int64_t first;
  std::vector<double> weights;
};

Kernel nearest_kernel(double t, const std::string& rule) {
  bool up = t == 1;  // an integer position is itself
  if (!up && rule == "round_prefer_floor") up = t > 0.5;
  if (!up && rule == "round_prefer_ceil") up = t >= 0.5;
  if (!up && rule == "ceil") up = true;
  return {up ? 1 : 0, {1.0}};
}

Kernel kernel_at(double t, double scale, const ResizeAttributes& a) {
  if (a.mode == "nearest") return nearest_kernel(t, a.nearest);
  const bool cubic = a.mode == "cubic";
  const double radius = cubic ? 2 : 1;
  const double stretch = a.antialias ? std::min(scale, 1.0) : 1.0;
  Kernel kernel{static_cast<int64_t>(std::floor(-radius / stretch)) + 1, {}};
  for (int64_t i = kernel.first; i <= 1 - kernel.first; ++i) {
    const double distance = (static_cast<double>(i) - t) * stretch;
    kernel.weights.push_back(cubic ? keys(distance, a.cubic_coefficient) : std::max(0.0, 1 - std::abs(distance)));
  }
  double sum = 0;
  for (const double w : kernel.weights) sum += w;
  if (a.antialias)
    for (double& w : kernel.weights) w /= sum;
  return kernel;
}

ResizeAxis weigh(const Scaling& s, const ResizeAttributes& a) {
  ResizeAxis result{.axis = s.axis, .input = s.input, .output = s.output};
  const size_t count = static_cast<size_t>(s.output);
  result.indices.resize(count);
  result.weights.resize(count);
  result.outside.resize(count, false);
  for (size_t o = 0; o < count; ++o) {
    const double u = source_position(s, static_cast<int64_t>(o), a.coordinates);
    if (a.coordinates == "tf_crop_and_resize" && !(u >= 0 && u <= static_cast<double>(s.input - 1))) {
      result.outside[o] = true;
      continue;
    }
    const double limited = std::clamp(u, -1e12, 1e12);
    const int64_t base = static_cast<int64_t>(std::ceil(limited)) - 1;
    const Kernel kernel = kernel_at(limited - static_cast<double>(base), s.scale, a);
    double sum = 0;
    for (size_t k = 0; k < kernel.weights.size(); ++k) {
      const int64_t at = base + kernel.first + static_cast<int64_t>(k);
      const bool inside = at >= 0 && at < s.input;
      if (kernel.weights[k] == 0 || (a.exclude_outside && !inside)) continue;
      sum += kernel.weights[k];
      result.indices[o].push_back(std::clamp<int64_t>(at, 0, s.input - 1));
      result.weights[o].push_back(kernel.weights[k]);
    }
    if (a.exclude_outside && sum != 0)
      for (double& w : result.weights[o]) w /= sum;
  }
  return result;
}

void check_modes(const ResizeAttributes& a) {
  const auto one_of = [](const std::string& value, std::initializer_list<std::string_view> known,
                         std::string_view what) {
    require(std::find(known.begin(), known.end(), value) != known.end(), ErrorKind::usage, "unknown {} '{}'", what,
            value);
  };
  one_of(a.mode, {"nearest", "linear", "cubic"}, "mode");
  one_of(
      a.coordinates,
      {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"},
      "coordinate transformation");
  one_of(a.nearest, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, "nearest rule");
}

}  // namespace

Shape resized_shape(const Shape& shape, const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                    const ResizeAttributes& attributes) {
  check_modes(attributes);
  Shape result = shape;
  for (const Scaling& s : scalings(shape, scales, sizes, attributes)) result[s.axis] = s.output;
  return result;
}

std::vector<ResizeAxis> resize_axes(const Shape& shape, const std::vector<double>& roi,
                                    const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                                    const ResizeAttributes& attributes) {
  check_modes(attributes);
  std::vector<Scaling> all = scalings(shape, scales, sizes, attributes);
  const bool crop = attributes.coordinates == "tf_crop_and_resize";
  if (crop) {
    require(roi.size() == 2 * all.size(), ErrorKind::shape, "{} values of roi for {} axes", roi.size(), all.size());
    for (size_t k = 0; k < all.size(); ++k) all[k].begin = roi[k], all[k].end = roi[k + all.size()];
  }
  std::vector<ResizeAxis> result;
  for (const Scaling& s : all) {
    const bool same = s.input == s.output && s.width == static_cast<double>(s.input);
    if (crop ? s.begin != 0 || s.end != 1 || !same : !same) result.push_back(weigh(s, attributes));
  }
  return result;
}

}  // namespace fovea
