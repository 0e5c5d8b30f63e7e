// Bilinear interpolation at (x, y), with i = floor(x), j = floor(y), a = x - i, b = y - j:
//   (1 - a)(1 - b) p(i, j) + a (1 - b) p(i + 1, j) + (1 - a) b p(i, j + 1) + a b p(i + 1, j + 1).
// The Gaussian is separable: exp(-k^2 / 2 sigma^2), normalised, along rows and then along columns.
#include "fovea/image/warp.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"

namespace fovea {

namespace {

void check(const Image& picture, int width, int height) {
  require(!picture.empty(), ErrorKind::usage, "an empty picture cannot be moved");
  require(picture.depth() == 8, ErrorKind::usage, "only 8-bit pictures can be moved, not 16-bit ones");
  require(width >= 0 && height >= 0, ErrorKind::usage, "a picture cannot have {} x {} pixels", width, height);
}

std::array<uint8_t, 4> samples_of(Rgb fill) { return {fill.r, fill.g, fill.b, 255}; }

// The pixel at a place that may lie beyond the edges.
const uint8_t* pixel(const Image& picture, int64_t x, int64_t y, Edge edge, const std::array<uint8_t, 4>& fill) {
  const int width = picture.width(), height = picture.height();
  if (x < 0 || y < 0 || x >= width || y >= height) {
    if (edge == Edge::fill) return fill.data();
    x = reflected(x, width);
    y = reflected(y, height);
  }
  return picture.row(static_cast<int>(y)) + x * picture.channels();
}

}  // namespace

int reflected(int64_t i, int count) {
  if (count == 1) return 0;
  const int64_t period = 2 * (int64_t{count} - 1);
  i %= period;
  if (i < 0) i += period;
  return static_cast<int>(i < count ? i : period - i);
}

Image window(const Image& picture, int64_t x, int64_t y, int width, int height, Edge edge, Rgb fill) {
  check(picture, width, height);
  // Far enough away everything is fill, or repeats; a small number keeps the sums below from running over.
  require(std::abs(x) < (int64_t{1} << 40) && std::abs(y) < (int64_t{1} << 40), ErrorKind::usage,
          "the place ({}, {}) is too far from the picture", x, y);
  Image out(width, height, picture.channels());
  const auto colour = samples_of(fill);
  const int channels = picture.channels();
  for (int row = 0; row < height; ++row) {
    uint8_t* to = out.row(row);
    for (int column = 0; column < width; ++column, to += channels)
      std::copy_n(pixel(picture, x + column, y + row, edge, colour), channels, to);
  }
  return out;
}

Image remap(const Image& picture, std::span<const float> x, std::span<const float> y, int width, int height, Edge edge,
            Rgb fill) {
  check(picture, width, height);
  const size_t count = static_cast<size_t>(width) * static_cast<size_t>(height);
  require(x.size() == count && y.size() == count, ErrorKind::usage, "{} and {} places for {} x {} pixels", x.size(),
          y.size(), width, height);
  Image out(width, height, picture.channels());
  const auto colour = samples_of(fill);
  const int channels = picture.channels();
  constexpr float kFar = 0x1p30f;  // pictures are smaller; beyond it a float holds no fractions
  for (int row = 0; row < height; ++row) {
    uint8_t* to = out.row(row);
    for (int column = 0; column < width; ++column, to += channels) {
      const size_t i = static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column);
      if (!(std::abs(x[i]) < kFar && std::abs(y[i]) < kFar)) {  // also NaN
        std::copy_n(colour.data(), channels, to);
        continue;
      }
      const float left = std::floor(x[i]), top = std::floor(y[i]), a = x[i] - left, b = y[i] - top;
      const auto px = static_cast<int64_t>(left), py = static_cast<int64_t>(top);
      const uint8_t* p00 = pixel(picture, px, py, edge, colour);
      const uint8_t* p10 = pixel(picture, px + 1, py, edge, colour);
      const uint8_t* p01 = pixel(picture, px, py + 1, edge, colour);
      const uint8_t* p11 = pixel(picture, px + 1, py + 1, edge, colour);
      for (int c = 0; c < channels; ++c) {
        const float above = static_cast<float>(p00[c]) * (1 - a) + static_cast<float>(p10[c]) * a;
        const float below = static_cast<float>(p01[c]) * (1 - a) + static_cast<float>(p11[c]) * a;
        to[c] = static_cast<uint8_t>(above * (1 - b) + below * b + 0.5f);  // 0..255 as all weights are 0..1
      }
    }
  }
  return out;
}

Image affine(const Image& picture, const AffineMap& map, Edge edge, Rgb fill) {
  check(picture, 0, 0);
  const auto& m = map.m;
  const double determinant = m[0] * m[3] - m[1] * m[2];
  require(std::isfinite(determinant) && determinant != 0 && std::isfinite(map.shift_x) && std::isfinite(map.shift_y),
          ErrorKind::usage, "an affine map with the determinant {} cannot be inverted", determinant);
  const int width = picture.width(), height = picture.height();
  const double middle_x = (width - 1) / 2.0, middle_y = (height - 1) / 2.0;
  std::vector<float> x, y;
  x.reserve(static_cast<size_t>(width) * static_cast<size_t>(height));
  y.reserve(x.capacity());
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column) {
      const double dx = column - middle_x - map.shift_x, dy = row - middle_y - map.shift_y;
      x.push_back(static_cast<float>(middle_x + (m[3] * dx - m[1] * dy) / determinant));
      y.push_back(static_cast<float>(middle_y + (m[0] * dy - m[2] * dx) / determinant));
    }
  return remap(picture, x, y, width, height, edge, fill);
}

std::vector<float> blur_plane(std::span<const float> plane, int width, int height, double sigma) {
  require(sigma >= 0 && sigma <= 1000, ErrorKind::usage, "a Gaussian cannot have the standard deviation {}", sigma);
  require(width >= 0 && height >= 0 && plane.size() == static_cast<size_t>(width) * static_cast<size_t>(height),
          ErrorKind::usage, "{} values for a plane of {} x {}", plane.size(), width, height);
  std::vector<float> result(plane.begin(), plane.end());
  if (sigma == 0 || plane.empty()) return result;
  const int radius = static_cast<int>(std::ceil(4 * sigma));
  std::vector<float> kernel;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += std::exp(-k * k / (2 * sigma * sigma));
  for (int k = -radius; k <= radius; ++k)
    kernel.push_back(static_cast<float>(std::exp(-k * k / (2 * sigma * sigma)) / sum));
  std::vector<float> rows(plane.size(), 0.0f);
  for (int y = 0; y < height; ++y)
    for (int k = -radius; k <= radius; ++k) {  // rows[x] += kernel[k] plane[x + k]: long inner loops that vectorise
      const float weight = kernel[static_cast<size_t>(k + radius)];
      const float* from = plane.data() + int64_t{y} * width;
      float* to = rows.data() + int64_t{y} * width;
      for (int x = std::max(0, -k); x < std::min(width, width - k); ++x) to[x] += weight * from[x + k];
    }
  std::fill(result.begin(), result.end(), 0.0f);
  for (int y = 0; y < height; ++y)
    for (int from_row = std::max(0, y - radius); from_row <= std::min(height - 1, y + radius); ++from_row) {
      const float weight = kernel[static_cast<size_t>(from_row - y + radius)];
      const float* from = rows.data() + int64_t{from_row} * width;
      float* to = result.data() + int64_t{y} * width;
      for (int x = 0; x < width; ++x) to[x] += weight * from[x];
    }
  return result;
}

}  // namespace fovea
