#include "fovea/features/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"

namespace fovea {

RowSource rows_of(const Tensor& matrix) {
  require(matrix.rank() == 2 && matrix.dtype() == DType::f32, ErrorKind::internal, "rows of {} {}",
          to_string(matrix.dtype()), to_string(matrix.shape()));
  const int64_t width = matrix.shape()[1];
  return {matrix.shape()[0], width, [matrix, width](int64_t first, int64_t number, float* to) {
            std::memcpy(to, matrix.data<float>().data() + first * width,
                        static_cast<size_t>(number * width) * sizeof(float));
          }};
}

RowSource pixel_rows(const Tensor& pictures) {
  const int64_t width = pictures.shape().count(1, pictures.rank());
  return {pictures.shape()[0], width, [pictures, width](int64_t first, int64_t number, float* to) {
            const uint8_t* from = pictures.data<uint8_t>().data() + first * width;
            for (int64_t i = 0; i < number * width; ++i) to[i] = static_cast<float>(from[i]) * (1.0f / 255.0f);
          }};
}

RowSource directions(RowSource rows) {
  const int64_t width = rows.dimensions, count = rows.count;
  return {count, width, [rows = std::move(rows), width](int64_t first, int64_t number, float* to) {
            rows.read(first, number, to);
            for (int64_t row = 0; row < number; ++row, to += width) {
              double sum = 0;
              for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(to[i]) * to[i];
              require(sum > 0, ErrorKind::usage,
                      "row {} is all zeros, so it has no direction and no cosine; use --metric l2", first + row);
              const double scale = 1 / std::sqrt(sum);
              for (int64_t i = 0; i < width; ++i) to[i] = static_cast<float>(to[i] * scale);
            }
          }};
}

std::vector<double> mean_of(const RowSource& rows) {
  std::vector<double> sums(static_cast<size_t>(rows.dimensions));
  const int64_t block = std::clamp<int64_t>((int64_t{1} << 22) / std::max<int64_t>(1, rows.dimensions), 1, 4096);
  std::vector<float> values(static_cast<size_t>(block * rows.dimensions));
  for (int64_t first = 0; first < rows.count; first += block) {
    const int64_t number = std::min(block, rows.count - first);
    rows.read(first, number, values.data());
    parallel_ranges(rows.dimensions, 256, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < number; ++row)
        for (int64_t i = begin; i < end; ++i)
          sums[static_cast<size_t>(i)] += values[static_cast<size_t>(row * rows.dimensions + i)];
    });
  }
  for (double& sum : sums) sum /= static_cast<double>(std::max<int64_t>(1, rows.count));
  return sums;
}

}  // namespace fovea
