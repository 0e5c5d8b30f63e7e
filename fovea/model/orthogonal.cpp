// Block Gram-Schmidt, twice where it has to be. For a block B of rows and the orthonormal rows Q before it:
//   B ← B − (B Qᵀ) Q,   then the same within the block, row by row;
// a block, or a row within it, that lost more than half of a length is projected a second time, which is enough for
// full precision. Sources: Giraud, Langou & Rozložník, "The loss of orthogonality in the Gram-Schmidt orthogonalization
// process", 2005; Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54,
// 2007: with a positive diagonal of R, as here, Q of a Gaussian matrix has Haar's distribution.
#include "fovea/model/orthogonal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"

namespace fovea {

namespace {

constexpr int64_t kBlock = 16;  // rows
constexpr int64_t kTile = 256;  // columns: a block's tile stays in the cache

// In eight interleaved sums, which the compiler keeps in vector registers.
double dot(const double* a, const double* b, int64_t count) {
  std::array<double, 8> sums{};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (size_t k = 0; k < 8; ++k) sums[k] += a[i + static_cast<int64_t>(k)] * b[i + static_cast<int64_t>(k)];
  double total = 0;
  for (; i < count; ++i) total += a[i] * b[i];
  for (const double s : sums) total += s;
  return total;
}

// Rows [first, first + count) lose their parts along the orthonormal rows [0, known).
void project_out(double* matrix, int64_t columns, int64_t known, int64_t first, int64_t count) {
  if (known == 0) return;
  std::vector<double> parts(static_cast<size_t>(known * count), 0);
  parallel_for(known, 4, [&](int64_t q) {
    double* part = parts.data() + q * count;
    for (int64_t begin = 0; begin < columns; begin += kTile) {
      const int64_t width = std::min(kTile, columns - begin);
      for (int64_t r = 0; r < count; ++r)
        part[r] += dot(matrix + q * columns + begin, matrix + (first + r) * columns + begin, width);
    }
  });
  parallel_for((columns + kTile - 1) / kTile, 1, [&](int64_t tile) {
    const int64_t begin = tile * kTile, width = std::min(kTile, columns - begin);
    for (int64_t q = 0; q < known; ++q)
      for (int64_t r = 0; r < count; ++r) {
        const double part = parts[static_cast<size_t>(q * count + r)];
        const double* from = matrix + q * columns + begin;
        double* to = matrix + (first + r) * columns + begin;
        for (int64_t c = 0; c < width; ++c) to[c] -= part * from[c];
      }
  });
}

double length(const double* row, int64_t columns) { return std::sqrt(dot(row, row, columns)); }

std::vector<double> lengths(const double* matrix, int64_t columns, int64_t first, int64_t count) {
  std::vector<double> all;
  for (int64_t r = 0; r < count; ++r) all.push_back(length(matrix + (first + r) * columns, columns));
  return all;
}

}  // namespace

void orthonormalise(std::span<double> matrix, int64_t rows, int64_t columns) {
  require(rows >= 0 && rows <= columns && static_cast<int64_t>(matrix.size()) == rows * columns, ErrorKind::internal,
          "{} numbers as {} rows of {}", matrix.size(), rows, columns);
  double* const data = matrix.data();
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t count = std::min(kBlock, rows - first);
    const std::vector<double> before = lengths(data, columns, first, count);
    project_out(data, columns, first, first, count);
    const std::vector<double> left = lengths(data, columns, first, count);
    bool lost = false;
    for (size_t r = 0; r < left.size(); ++r) lost = lost || left[r] < 0.5 * before[r];
    if (lost) project_out(data, columns, first, first, count);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t row = first + r;
      double* const at = data + row * columns;
      // Within the block only; then, where much was lost, along all rows before.
      for (int64_t q = first; q < row; ++q) {
        const double part = dot(data + q * columns, at, columns);
        for (int64_t c = 0; c < columns; ++c) at[c] -= part * data[q * columns + c];
      }
      if (length(at, columns) < 0.5 * left[static_cast<size_t>(r)]) project_out(data, columns, row, row, 1);
      const double rest = length(at, columns);
      require(rest > 1e-12 * before[static_cast<size_t>(r)], ErrorKind::usage,
              "row {} of {} depends on the rows before it", row, rows);
      for (int64_t c = 0; c < columns; ++c) at[c] /= rest;
    }
  }
}

}  // namespace fovea
