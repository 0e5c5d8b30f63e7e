// y[i] = (1 − f) x[⌊p⌋] + f x[⌊p⌋ + 1] with p = a · i + b and f = p − ⌊p⌋, along rows and columns.
// Source: scipy.ndimage, zoom and affine_transform of order 1.
#include "fovea/insight/level_planes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/image/resize.h"

namespace fovea {

namespace {

// Where each output position of one axis is read.
struct Taps1d {
  std::vector<int64_t> low, high;
  std::vector<double> share;  // of `high`
};

Taps1d taps_at(int64_t from, int64_t count, double factor, double offset) {
  Taps1d taps;
  for (int64_t i = 0; i < count; ++i) {
    const double p = std::clamp(factor * static_cast<double>(i) + offset, 0.0, static_cast<double>(from - 1));
    const auto low = static_cast<int64_t>(p);
    taps.low.push_back(low);
    taps.high.push_back(std::min(low + 1, from - 1));
    taps.share.push_back(p - static_cast<double>(low));
  }
  return taps;
}

Tensor interpolated(const Tensor& x, const Taps1d& rows, const Taps1d& columns) {
  const auto height = static_cast<int64_t>(rows.low.size()), width = static_cast<int64_t>(columns.low.size());
  const int64_t planes = x.size(0) * x.size(1), h = x.size(2), w = x.size(3);
  Tensor result(DType::f32, {x.size(0), x.size(1), height, width});
  const float* from = x.data<float>().data();
  float* to = result.data<float>().data();
  parallel_for(planes * height, 16, [&](int64_t row) {
    const int64_t plane = row / height;
    const auto y = static_cast<size_t>(row % height);
    const float *top = from + (plane * h + rows.low[y]) * w, *bottom = from + (plane * h + rows.high[y]) * w;
    const double down = rows.share[y];
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(i);
      const double right = columns.share[at];
      const double above = (1 - right) * top[columns.low[at]] + right * top[columns.high[at]];
      const double below = (1 - right) * bottom[columns.low[at]] + right * bottom[columns.high[at]];
      to[row * width + i] = static_cast<float>((1 - down) * above + down * below);
    }
  });
  return result;
}

double zoom_factor(int64_t from, int64_t to) {
  return to > 1 ? static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0;
}

}  // namespace

const std::vector<std::string>& level_resizes() {
  static const std::vector<std::string> names = {"zoom", "linear", "smooth"};
  return names;
}

Tensor resized_levels(const Tensor& levels, int64_t height, int64_t width, const std::string& how) {
  require(levels.shape().rank() == 4 && levels.count() > 0 && height >= 1 && width >= 1, ErrorKind::shape,
          "{} cannot be resized to {}x{}", to_string(levels.shape()), height, width);
  const int64_t h = levels.size(2), w = levels.size(3);
  if (h == height && w == width) return levels;
  const auto& names = level_resizes();
  require(std::find(names.begin(), names.end(), how) != names.end(), ErrorKind::usage,
          "there is no resize \"{}\"; known: {}", how, fmt::join(names, ", "));
  if (how == "zoom")
    return interpolated(levels, taps_at(h, height, zoom_factor(h, height), 0),
                        taps_at(w, width, zoom_factor(w, width), 0));
  Tensor result(DType::f32, {levels.size(0), levels.size(1), height, width});
  const auto from = levels.data<float>();
  auto to = result.data<float>();
  for (int64_t plane = 0; plane < levels.size(0) * levels.size(1); ++plane) {
    const std::vector<float> made =
        resize_plane(from.subspan(static_cast<size_t>(plane * h * w), static_cast<size_t>(h * w)), static_cast<int>(w),
                     static_cast<int>(h), static_cast<int>(width), static_cast<int>(height),
                     how == "smooth" ? Filter::bicubic : Filter::bilinear);
    std::copy(made.begin(), made.end(), to.begin() + plane * height * width);
  }
  return result;
}

Tensor rolled_levels(const Tensor& levels, int64_t down, int64_t right) {
  const Shape& shape = levels.shape();
  require(shape.rank() == 4, ErrorKind::shape, "{} cannot be rolled", to_string(shape));
  const int64_t height = shape[2], width = shape[3], rows = shape[0] * shape[1] * height;
  const auto modulo = [](int64_t a, int64_t n) { return n == 0 ? 0 : (a % n + n) % n; };
  down = modulo(down, height);
  right = modulo(right, width);
  Tensor result(DType::f32, shape);
  const float* from = levels.data<float>().data();
  float* to = result.data<float>().data();
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t plane = row / height;
    const float* x = from + (plane * height + modulo(row % height - down, height)) * width;
    std::copy(x, x + width - right, to + row * width + right);
    std::copy(x + width - right, x + width, to + row * width);
  }
  return result;
}

Tensor enlarged_middle(const Tensor& levels, double share) {
  const int64_t h = levels.size(2), w = levels.size(3);
  return interpolated(levels, taps_at(h, h, 1 - share, static_cast<double>(h) * share / 2),
                      taps_at(w, w, 1 - share, static_cast<double>(w) * share / 2));
}

}  // namespace fovea
