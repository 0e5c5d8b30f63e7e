// c = a b: a block of rows of a and all columns of b are packed into panels as wide as the registers' tile, and each
// tile sums along the whole depth in registers. Goto & van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008, without its blocks of depth, which gained nothing at 512.
#include "fovea/backend/cpu/kernels/double_product.h"

#include <algorithm>

#include "fovea/backend/cpu/kernels/team.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/double_product.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 8>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Doubles()));
constexpr int kRows = kLanes == 8 ? 8 : 4;  // of the tile; its columns are kVectors vectors
constexpr int kVectors = kLanes == 2 ? 2 : 3;

int64_t double_tile_rows() { return kRows; }
int64_t double_tile_columns() { return kLanes * kVectors; }

// tile [kRows][columns of the tile] = Σ_k a[k][row] b[k][column], both packed.
void double_tile(const double* HWY_RESTRICT a, const double* HWY_RESTRICT b, int64_t depth, double* tile) {
  const Doubles d;
  hn::Vec<Doubles> total[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) total[r][v] = hn::Zero(d);
  for (int64_t k = 0; k < depth; ++k, a += kRows, b += kLanes * kVectors) {
    hn::Vec<Doubles> right[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto left = hn::Set(d, a[r]);
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) total[r][v] = hn::MulAdd(left, right[v], total[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) hn::StoreU(total[r][v], d, tile + (r * kVectors + v) * kLanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(double_tile_rows);
HWY_EXPORT(double_tile_columns);
HWY_EXPORT(double_tile);

namespace {

constexpr int64_t kBlockRows = 64;  // a multiple of every tile's rows
constexpr int64_t kWideMost = 24, kTileMost = 8 * kWideMost;

// Panels of `wide` columns of b, or rows of a when `b` is its transpose: [panel][depth][wide], zeros at the edge.
void pack(const DoubleMatrix& b, int64_t depth, int64_t first, int64_t last, int64_t wide, double* to) {
  const int64_t count = std::min(wide, last - first);
  for (int64_t k = 0; k < depth; ++k, to += wide) {
    const double* from = b.data + k * b.row + first * b.column;
    for (int64_t j = 0; j < count; ++j) to[j] = from[j * b.column];
    std::fill(to + count, to + wide, 0.0);
  }
}

void put_tile(const DoubleProduct& p, const double* tile, int64_t wide, int64_t row, int64_t column, int64_t rows) {
  const int64_t count = std::min(rows, p.rows - row), width = std::min(wide, p.columns - column);
  for (int64_t r = 0; r < count; ++r, tile += wide) {
    double* to = p.c + (row + r) * p.c_row + column;
    for (int64_t j = 0; j < width; ++j) to[j] = (p.keep ? to[j] : 0) + p.factor * tile[j];
  }
}

void block_of_rows(const DoubleProduct& p, int64_t begin, const double* b, int64_t wide, int64_t high, double* a) {
  const int64_t end = std::min(p.rows, begin + kBlockRows);
  for (int64_t row = begin; row < end; row += high)
    pack(p.a.transposed(), p.depth, row, end, high, a + (row - begin) * p.depth);
  double tile[kTileMost];
  for (int64_t column = p.symmetric ? begin / wide * wide : 0; column < p.columns; column += wide)
    for (int64_t row = begin; row < end; row += high) {
      if (p.symmetric && column + wide <= row) continue;
      HWY_DYNAMIC_DISPATCH(double_tile)(a + (row - begin) * p.depth, b + column * p.depth, p.depth, tile);
      put_tile(p, tile, wide, row, column, high);
    }
}

// Rows [begin, begin + kBlockRows) of c below its diagonal, from those above; in squares that the cache holds.
void mirror(const DoubleProduct& p, int64_t begin) {
  constexpr int64_t kSide = 16;
  const int64_t end = std::min(p.rows, begin + kBlockRows);
  for (int64_t row = begin; row < end; row += kSide)
    for (int64_t column = 0; column <= row; column += kSide)
      for (int64_t i = row; i < std::min(end, row + kSide); ++i)
        for (int64_t j = column; j < std::min(i, column + kSide); ++j) p.c[i * p.c_row + j] = p.c[j * p.c_row + i];
}

}  // namespace

size_t double_product_scratch_bytes(int64_t columns, int64_t depth, int threads) {
  const int64_t a = kBlockRows * static_cast<int64_t>(threads);
  return static_cast<size_t>((a + columns + kWideMost) * depth) * sizeof(double);
}

void double_product(const DoubleProduct& p, void* scratch) {
  const int64_t high = HWY_DYNAMIC_DISPATCH(double_tile_rows)(), wide = HWY_DYNAMIC_DISPATCH(double_tile_columns)();
  const int64_t panels = (p.columns + wide - 1) / wide, blocks = (p.rows + kBlockRows - 1) / kBlockRows;
  auto* b = static_cast<double*>(scratch);
  double* a = b + panels * wide * p.depth;
  in_team(static_cast<int>(std::min<int64_t>(blocks, p.threads)), [&](int64_t part, int64_t team) {
    for (int64_t panel = part; panel < panels; panel += team)
      pack(p.b, p.depth, panel * wide, p.columns, wide, b + panel * wide * p.depth);
    team_barrier(team);
    // A symmetric product's first blocks are the longest: every thread gets some of both ends.
    for (int64_t k = blocks * part / team; k < blocks * (part + 1) / team; ++k)
      block_of_rows(p, (k % 2 == 0 ? k / 2 : blocks - 1 - k / 2) * kBlockRows, b, wide, high,
                    a + part * kBlockRows * p.depth);
    if (!p.symmetric) return;
    team_barrier(team);
    for (int64_t block = part; block < blocks; block += team) mirror(p, block * kBlockRows);
  });
}

}  // namespace fovea::kernels
#endif
