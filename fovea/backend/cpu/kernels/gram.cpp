// G = Σ_p x_p x_pᵀ in blocks of 16 × 16 channels: registers hold one block's sums over a piece of positions that all
// blocks read from the cache, before they are added in double. dx_p = S x_p with S = d + dᵀ: registers hold some
// positions times 32 channels, S streams by in panels of 32 columns.
#include "fovea/backend/cpu/kernels/gram.h"

#include <algorithm>
#include <cstring>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/gram.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

#ifndef FOVEA_KERNELS_GRAM_TYPES_
#define FOVEA_KERNELS_GRAM_TYPES_
namespace fovea::kernels {

// Positions that lie one after the other.
struct GramRun {
  int64_t offset, count;  // floats from the start of an image's first block; positions
};
constexpr int64_t kGramRunsMost = 512;

}  // namespace fovea::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// Registers: kRows times kWide blocks.
constexpr int kRows = kLanes == 16 ? 8 : kLanes == 8 ? 4 : 2;
constexpr int kWide = kLanes == 16 ? 3 : 1;

// sums[i] += part[i] for 16 floats.
HWY_INLINE void add_sixteen(const float* part, double* sums) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, decltype(wide)> narrow;
  const int64_t step = std::min<int64_t>(16, static_cast<int64_t>(hn::Lanes(wide)));
  for (int64_t i = 0; i < 16; i += step)
    hn::StoreU(hn::Add(hn::LoadU(wide, sums + i), hn::PromoteTo(wide, hn::LoadU(narrow, part + i))), wide, sums + i);
}

// sums[block][r][lane] += Σ_p a_p[r] b_p[block][lane] for rows [first, first + kRows) and kBlocks blocks.
template <int kBlocks, bool kBlocked>
HWY_NOINLINE void block_rows(const float* a, const float* b, const BlockedStrides& strides, const GramRun* runs,
                             int64_t count, int64_t first, double* sums) {
  const int64_t pixel = kBlocked ? 16 : strides.pixel, next = strides.block;
  Sixteen total[kBlocks][kRows];
#pragma GCC unroll 3
  for (int k = 0; k < kBlocks; ++k)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) total[k][r] = zero();
  for (int64_t run = 0; run < count; ++run) {
    const float* from = a + runs[run].offset + first;
    const float* by = b + runs[run].offset;
    for (int64_t p = 0; p < runs[run].count; ++p, from += pixel, by += pixel) {
      Sixteen right[kBlocks];
#pragma GCC unroll 3
      for (int k = 0; k < kBlocks; ++k) right[k] = load(by + k * next);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Sixteen left = broadcast(from[r]);
#pragma GCC unroll 3
        for (int k = 0; k < kBlocks; ++k) total[k][r] = mul_add(right[k], left, total[k][r]);
      }
    }
  }
  float part[kBlocks * kRows * 16];
#pragma GCC unroll 3
  for (int k = 0; k < kBlocks; ++k)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) store(total[k][r], part + (k * kRows + r) * 16);
  for (int k = 0; k < kBlocks; ++k)
    for (int r = 0; r < kRows; ++r) add_sixteen(part + (k * kRows + r) * 16, sums + k * 256 + (first + r) * 16);
}

template <int kBlocks>
void block_row(const float* a, const float* b, const BlockedStrides& strides, const GramRun* runs, int64_t count,
               double* sums) {
  for (int64_t first = 0; first < 16; first += kRows)
    if (strides.pixel == 16) block_rows<kBlocks, true>(a, b, strides, runs, count, first, sums);
    else block_rows<kBlocks, false>(a, b, strides, runs, count, first, sums);
}

// The blocks [begin, end) of the upper triangle, in the order (0,0), (0,1) … (1,1) …, over the positions of some runs.
void gram_blocks(const float* x, const BlockedStrides& strides, int64_t blocks, const GramRun* runs, int64_t count,
                 int64_t begin, int64_t end, double* sums) {
  int64_t row = 0;  // the number of the row's first block
  for (int64_t i = 0; i < blocks; row += blocks - i, ++i) {
    const int64_t last = std::min(end, row + blocks - i);
    for (int64_t pair = std::max(begin, row); pair < last;) {
      const float *a = x + i * strides.block, *b = x + (i + pair - row) * strides.block;
      const int64_t wide = std::min<int64_t>(kWide, last - pair);
      if (wide == 3) block_row<3>(a, b, strides, runs, count, sums + pair * 256);
      else if (wide == 2) block_row<2>(a, b, strides, runs, count, sums + pair * 256);
      else block_row<1>(a, b, strides, runs, count, sums + pair * 256);
      pair += wide;
    }
  }
}

// sums[lane] += Σ_p x_p[lane] of one block.
void gram_answers(const float* x, int64_t pixel, const GramRun* runs, int64_t count, double* sums) {
  Sixteen total = zero();
  for (int64_t k = 0; k < count; ++k)
    for (int64_t p = 0; p < runs[k].count; ++p) total = add(total, load(x + runs[k].offset + p * pixel));
  float part[16];
  store(total, part);
  add_sixteen(part, sums);
}

constexpr int kPositions = kLanes == 16 ? 12 : 2;

// kCount positions from `x` on times kBlocks blocks of S's columns: panel [channels][32].
template <int kCount, int kBlocks>
HWY_NOINLINE void slope_of(const float* x, const BlockedStrides& strides, int64_t blocks, const float* panel,
                           const float* bias, float* to, int64_t block) {
  Sixteen total[kCount][kBlocks];
#pragma GCC unroll 2
  for (int k = 0; k < kBlocks; ++k)
#pragma GCC unroll 12
    for (int p = 0; p < kCount; ++p) total[p][k] = bias ? load(bias + (block + k) * 16) : zero();
  for (int64_t from = 0; from < blocks; ++from) {
    const float* row = x + from * strides.block;
    for (int64_t c = 0; c < 16; ++c, panel += 32) {
      Sixteen s[kBlocks];
#pragma GCC unroll 2
      for (int k = 0; k < kBlocks; ++k) s[k] = load(panel + 16 * k);
#pragma GCC unroll 12
      for (int p = 0; p < kCount; ++p) {
        const float value = row[p * strides.pixel + c];
#pragma GCC unroll 2
        for (int k = 0; k < kBlocks; ++k) total[p][k] = mul_add(s[k], value, total[p][k]);
      }
    }
  }
#pragma GCC unroll 2
  for (int k = 0; k < kBlocks; ++k)
#pragma GCC unroll 12
    for (int p = 0; p < kCount; ++p) store(total[p][k], to + (block + k) * strides.block + p * strides.pixel);
}

template <int kBlocks>
void slopes_of_run(const float* x, const BlockedStrides& strides, int64_t blocks, const float* panel, const float* bias,
                   float* to, int64_t block, int64_t count) {
  for (int64_t p = 0; p < count;) {
    const bool many = count >= kPositions;
    // The last positions are computed again with those before them: the same values.
    const int64_t at = (many ? std::min(p, count - kPositions) : p) * strides.pixel;
    if (many) slope_of<kPositions, kBlocks>(x + at, strides, blocks, panel, bias, to + at, block);
    else slope_of<1, kBlocks>(x + at, strides, blocks, panel, bias, to + at, block);
    p += many ? kPositions : 1;
  }
}

// One run of positions: all channels.
void gram_slopes(const float* x, const BlockedStrides& strides, int64_t blocks, const float* panels, const float* bias,
                 float* to, int64_t count) {
  for (int64_t block = 0; block < blocks; block += 2) {
    const float* panel = panels + block / 2 * blocks * 16 * 32;
    if (block + 1 < blocks) slopes_of_run<2>(x, strides, blocks, panel, bias, to, block, count);
    else slopes_of_run<1>(x, strides, blocks, panel, bias, to, block, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(gram_blocks);
HWY_EXPORT(gram_answers);
HWY_EXPORT(gram_slopes);

namespace {

int64_t blocks_of(const GramShape& s) { return (s.channels + 15) / 16; }
int64_t pairs_of(const GramShape& s) { return blocks_of(s) * (blocks_of(s) + 1) / 2; }

// The positions are cut into slices and the blocks into groups by the shape alone.
constexpr int64_t kTasks = 16;
int64_t slices_of(const GramShape& s) {
  return std::clamp<int64_t>(std::min(s.height * s.width / 8192, s.height), 1, kTasks);
}
int64_t groups_of(const GramShape& s) { return std::min(pairs_of(s), kTasks / slices_of(s)); }
int64_t slice_doubles(const GramShape& s) { return pairs_of(s) * 256 + blocks_of(s) * 16; }

// Calls visit(runs, count) for pieces of at most `most` positions of rows [top, bottom) of the window.
template <class Visit>
void for_pieces(const GramShape& s, const GramWindow& w, int64_t top, int64_t bottom, int64_t most,
                const Visit& visit) {
  GramRun runs[kGramRunsMost];
  int64_t count = 0, positions = 0;
  const auto flush = [&] {
    if (count > 0) visit(static_cast<const GramRun*>(runs), count);
    count = positions = 0;
  };
  const auto take = [&](int64_t offset, int64_t length) {
    while (length > 0) {
      const int64_t n = std::min(length, most - positions);
      runs[count++] = {offset, n};
      offset += n * s.x.pixel;
      length -= n;
      positions += n;
      if (positions == most || count == kGramRunsMost) flush();
    }
  };
  // Whole rows lie one after the other.
  if (w.left == 0 && w.right == s.width) take(top * s.x.row, (bottom - top) * s.width);
  else
    for (int64_t row = top; row < bottom; ++row) take(row * s.x.row + w.left * s.x.pixel, w.right - w.left);
  flush();
}

bool is_empty(const GramWindow& w) { return w.top >= w.bottom || w.left >= w.right; }

}  // namespace

size_t gram_scratch_bytes(const GramShape& s) {
  return static_cast<size_t>(slices_of(s) * slice_doubles(s)) * sizeof(double);
}

void gram(const GramShape& s, const GramWindow& w, const float* x, float* products, float* answers, void* scratch) {
  auto* sums = static_cast<double*>(scratch);
  const int64_t blocks = blocks_of(s), pairs = pairs_of(s), slices = slices_of(s), groups = groups_of(s);
  const int64_t own = slice_doubles(s), rows = std::max<int64_t>(0, w.bottom - w.top), c = s.channels;
  const int64_t most = std::clamp<int64_t>(49152 / (blocks * 16), 32, 512);
  for (int64_t n = 0; n < s.batch; ++n, x += s.x.image, products += c * c) {
    parallel_for(slices * groups, 1, [&](int64_t task) {
      const int64_t slice = task / groups, group = task % groups;
      const int64_t begin = pairs * group / groups, end = pairs * (group + 1) / groups;
      double* to = sums + slice * own;
      std::fill(to + begin * 256, to + end * 256, 0.0);
      if (group == 0) std::fill_n(to + pairs * 256, blocks * 16, 0.0);
      if (is_empty(w)) return;
      for_pieces(s, w, w.top + rows * slice / slices, w.top + rows * (slice + 1) / slices, most,
                 [&](const GramRun* runs, int64_t count) {
                   HWY_DYNAMIC_DISPATCH(gram_blocks)(x, s.x, blocks, runs, count, begin, end, to);
                   for (int64_t b = 0; answers && group == 0 && b < blocks; ++b) HWY_DYNAMIC_DISPATCH(gram_answers)
                   (x + b * s.x.block, s.x.pixel, runs, count, to + pairs * 256 + b * 16);
                 });
    });
    const auto total = [&](int64_t at) {
      double sum = 0;
      for (int64_t slice = 0; slice < slices; ++slice) sum += sums[slice * own + at];
      return static_cast<float>(sum);
    };
    int64_t pair = 0;
    for (int64_t i = 0; i < blocks; ++i)
      for (int64_t j = i; j < blocks; ++j, ++pair)
        for (int64_t r = i * 16; r < std::min(c, i * 16 + 16); ++r)
          for (int64_t k = j * 16; k < std::min(c, j * 16 + 16); ++k)
            products[r * c + k] = products[k * c + r] = total(pair * 256 + (r - i * 16) * 16 + k - j * 16);
    for (int64_t i = 0; answers && i < c; ++i) *answers++ = total(pairs * 256 + i);
  }
}

size_t gram_gradient_scratch_bytes(const GramShape& s) {
  const int64_t blocks = blocks_of(s);
  return static_cast<size_t>((blocks + 1) / 2 * 32 * blocks * 16 + blocks * 16) * sizeof(float);
}

void gram_gradient(const GramShape& s, const GramWindow& w, const float* x, const float* d, const float* d_answers,
                   float* dx, void* scratch) {
  const int64_t blocks = blocks_of(s), c = s.channels, padded = blocks * 16;
  auto* panels = static_cast<float*>(scratch);
  float* bias = panels + (blocks + 1) / 2 * 32 * padded;
  const bool whole = w.top == 0 && w.bottom == s.height && w.left == 0 && w.right == s.width;
  const int64_t most = std::clamp<int64_t>(98304 / padded, 48, 1536);
  for (int64_t n = 0; n < s.batch; ++n, x += s.x.image, dx += s.x.image, d += c * c) {
    parallel_for((blocks + 1) / 2 * padded, 256, [&](int64_t index) {
      const int64_t row = index % padded, column = index / padded * 32;
      float* to = panels + index * 32;
      for (int64_t k = 0; k < 32; ++k)
        to[k] = row < c && column + k < c ? d[row * c + column + k] + d[(column + k) * c + row] : 0.0F;
    });
    for (int64_t i = 0; d_answers && i < padded; ++i) bias[i] = i < c ? d_answers[n * c + i] : 0.0F;
    if (!whole) std::memset(dx, 0, static_cast<size_t>(s.x.image) * sizeof(float));
    if (is_empty(w)) continue;
    const int64_t rows = w.bottom - w.top, columns = w.right - w.left;
    const int64_t each = std::max<int64_t>(1, most / columns);  // rows a piece
    parallel_for((rows + each - 1) / each, 1, [&](int64_t piece) {
      const int64_t top = w.top + piece * each, bottom = std::min(w.bottom, top + each);
      for_pieces(s, w, top, bottom, most, [&](const GramRun* runs, int64_t count) {
        for (int64_t k = 0; k < count; ++k) HWY_DYNAMIC_DISPATCH(gram_slopes)
        (x + runs[k].offset, s.x, blocks, panels, d_answers ? bias : nullptr, dx + runs[k].offset, runs[k].count);
      });
    });
  }
}

}  // namespace fovea::kernels
#endif
