#include "fovea/insight/tile_feeds.h"

#include <algorithm>

namespace fovea {

Tensor cut_out(const Tensor& values, int64_t top, int64_t left, int64_t height, int64_t width) {
  const int64_t channels = values.size(1), rows = values.size(2), columns = values.size(3);
  if (top == 0 && left == 0 && height == rows && width == columns) return values;
  Tensor result(DType::f32, {1, channels, height, width});
  const float* from = values.data<float>().data();
  float* to = result.data<float>().data();
  const int64_t inside = std::clamp<int64_t>(columns - left, 0, width);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < std::min(height, rows - top); ++y)
      std::copy_n(from + (c * rows + top + y) * columns + left, inside, to + (c * height + y) * width);
  return result;
}

Tensor owned_mask(int64_t height, int64_t width, Positions rows, Positions columns) {
  Tensor result(DType::f32, {1, 1, height, width});
  float* to = result.data<float>().data();
  for (int64_t y = rows.begin; y < rows.end; ++y)
    std::fill(to + y * width + columns.begin, to + y * width + columns.end, 1.0F);
  return result;
}

void add_to(Tensor& sum, const Tensor& part) {
  const auto to = sum.data<double>();
  const auto from = part.data<float>();
  for (size_t i = 0; i < to.size(); ++i) to[i] += static_cast<double>(from[i]);
}

void add_at(Tensor& whole, const Tensor& part, int64_t top, int64_t left) {
  const int64_t channels = whole.size(1), rows = whole.size(2), columns = whole.size(3);
  const int64_t height = part.size(2), width = part.size(3);
  float* to = whole.data<float>().data();
  const float* from = part.data<float>().data();
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < height; ++y) {
      float* row = to + (c * rows + top + y) * columns + left;
      for (int64_t x = 0; x < width; ++x) row[x] += from[(c * height + y) * width + x];
    }
}

}  // namespace fovea
