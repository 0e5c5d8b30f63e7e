// dx[n,c,h,w] = Σ_{o,k} d[n,o,p] · w[o,c,k] over all p·stride − pad + k·dilation = (h,w)
// Columns of one residue modulo the stride read consecutive positions of d through the same taps. Registers hold some
// of those columns times all channels of the image; their lanes hold output channels of d, and are summed at the end,
// four at a time.
#include "fovea/backend/cpu/kernels/image_gradient.h"

#include <algorithm>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/image_gradient.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

struct Tap {
  const float* d;        // the position that column 0 reads (may lie outside of the row)
  const float* weights;  // [channels][16]
  int64_t first;         // its column in d
};

struct GradientRow {
  const ImageGradientShape& shape;
  const Tap* taps;
  int64_t tap_count, blocks, weight_step;
};

// Sums of the lanes of four vectors.
HWY_INLINE void sum_four(const Vector* x, float* to) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR
  for (int k = 0; k < 4; ++k) to[k] = hn::GetLane(x[k]);
  static_cast<void>(d);
#else
  const hn::RepartitionToWide<Floats> pairs;
  const Vector ab = hn::Add(hn::InterleaveLower(d, x[0], x[1]), hn::InterleaveUpper(d, x[0], x[1]));
  const Vector ce = hn::Add(hn::InterleaveLower(d, x[2], x[3]), hn::InterleaveUpper(d, x[2], x[3]));
  const auto low = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  const auto high = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  HWY_ALIGN float blocks[kLanes];
  hn::Store(hn::Add(hn::BitCast(d, low), hn::BitCast(d, high)), d, blocks);
  const hn::FixedTag<float, 4> four;
  auto sums = hn::Load(four, blocks);
  for (int k = 4; k < kLanes; k += 4) sums = hn::Add(sums, hn::Load(four, blocks + k));
  hn::StoreU(sums, four, to);
#endif
}

// Columns [column, column + kColumns) of the residue, all taps inside. `to` [channels][kColumns].
template <int kColumns, int kChannels, bool kBlocked>
HWY_NOINLINE void columns_inside(const GradientRow& row, int64_t column, float* to) {
  const Floats d;
  const int64_t pixel = kBlocked ? 16 : row.shape.d.pixel, block_step = row.shape.d.block;
  Vector total[kChannels][kColumns];
#pragma GCC unroll 4
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) total[c][j] = hn::Zero(d);
  for (int64_t block = 0; block < row.blocks; ++block)
    for (int64_t t = 0; t < row.tap_count; ++t) {
      const float* from = row.taps[t].d + block * block_step + column * pixel;
      const float* weights = row.taps[t].weights + block * row.weight_step;
      for (int part = 0; part < 16; part += kLanes) {
        Vector w[kChannels];
#pragma GCC unroll 4
        for (int c = 0; c < kChannels; ++c) w[c] = hn::LoadU(d, weights + c * 16 + part);
#pragma GCC unroll 16
        for (int j = 0; j < kColumns; ++j) {
          const Vector x = hn::LoadU(d, from + j * pixel + part);
#pragma GCC unroll 4
          for (int c = 0; c < kChannels; ++c) total[c][j] = hn::MulAdd(x, w[c], total[c][j]);
        }
      }
    }
#pragma GCC unroll 4
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; j += 4) sum_four(total[c] + j, to + c * kColumns + j);
}

// One column near an end of the row: taps outside of d count as zero. `to` [channels].
template <int kChannels>
HWY_NOINLINE void column_at_end(const GradientRow& row, int64_t column, float* to) {
  const Floats d;
  Vector total[4];
  for (int c = 0; c < 4; ++c) total[c] = hn::Zero(d);
  for (int64_t block = 0; block < row.blocks; ++block)
    for (int64_t t = 0; t < row.tap_count; ++t) {
      const int64_t at = row.taps[t].first + column;
      if (at < 0 || at >= row.shape.out_width) continue;
      const float* from = row.taps[t].d + block * row.shape.d.block + column * row.shape.d.pixel;
      const float* weights = row.taps[t].weights + block * row.weight_step;
      for (int part = 0; part < 16; part += kLanes)
#pragma GCC unroll 4
        for (int c = 0; c < kChannels; ++c)
          total[c] = hn::MulAdd(hn::LoadU(d, from + part), hn::LoadU(d, weights + c * 16 + part), total[c]);
    }
  float sums[4];
  sum_four(total, sums);
  for (int c = 0; c < kChannels; ++c) to[c] = sums[c];
}

// Columns phase, phase + stride, … of a row of dx.
template <int kColumns, int kChannels>
void residue(const GradientRow& row, int64_t phase, float* dx) {
  const ImageGradientShape& s = row.shape;
  const int64_t count = (s.width - phase + s.stride_x - 1) / s.stride_x, plane = s.height * s.width;
  int64_t low = 0, high = count;
  for (int64_t t = 0; t < row.tap_count; ++t) {
    low = std::max(low, -row.taps[t].first);
    high = std::min(high, s.out_width - row.taps[t].first);
  }
  if (high - low < kColumns) low = high = 0;
  float values[kChannels * kColumns];
  for (int64_t j = 0; j < count;) {
    const bool inside = j >= low && j < high;
    const int64_t at = inside ? std::min(j, high - kColumns) : j, n = inside ? kColumns : 1;
    if (inside && s.d.pixel == 16) columns_inside<kColumns, kChannels, true>(row, at, values);
    else if (inside) columns_inside<kColumns, kChannels, false>(row, at, values);
    else column_at_end<kChannels>(row, at, values);
    for (int c = 0; c < kChannels; ++c)
      for (int64_t k = 0; k < n; ++k) dx[c * plane + phase + (at + k) * s.stride_x] = values[c * n + k];
    j = at + n;
  }
}

// Rows [begin, end) of all images.
void rows_range(const ImageGradientShape& s, const float* d, const float* prepared, float* dx, int64_t begin,
                int64_t end) {
  Tap taps[kImageTapsMost];
  const int64_t weight_step = s.kernel_height * s.kernel_width * s.channels * 16;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t n = index / s.height, h = index % s.height;
    float* to = dx + n * s.channels * s.height * s.width + h * s.width;
    for (int64_t phase = 0; phase < std::min(s.stride_x, s.width); ++phase) {
      int64_t count = 0;
      for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
        const int64_t y = h + s.pad_top - ky * s.dilation_y;
        if (y < 0 || y % s.stride_y != 0 || y / s.stride_y >= s.out_height) continue;
        for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
          const int64_t x = phase + s.pad_left - kx * s.dilation_x;
          if (x % s.stride_x != 0) continue;
          const int64_t first = x / s.stride_x;
          taps[count++] = {d + n * s.d.image + y / s.stride_y * s.d.row + first * s.d.pixel,
                           prepared + (ky * s.kernel_width + kx) * s.channels * 16, first};
        }
      }
      const GradientRow row{s, taps, count, (s.outputs + 15) / 16, weight_step};
      constexpr bool kMany = kLanes == 16;  // registers
      if (s.channels == 1) residue<kMany ? 16 : 8, 1>(row, phase, to);
      if (s.channels == 2) residue<kMany ? 8 : 4, 2>(row, phase, to);
      if (s.channels == 3) residue<kMany ? 8 : 4, 3>(row, phase, to);
      if (s.channels == 4) residue<4, 4>(row, phase, to);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(rows_range);

size_t image_gradient_weight_floats(const ImageGradientShape& s) {
  return static_cast<size_t>((s.outputs + 15) / 16 * 16 * s.kernel_height * s.kernel_width * s.channels);
}

void image_gradient_weights(const ImageGradientShape& s, const float* w, float* prepared) {
  const int64_t taps = s.kernel_height * s.kernel_width, blocks = (s.outputs + 15) / 16;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t k = 0; k < taps; ++k)
      for (int64_t c = 0; c < s.channels; ++c)
        for (int64_t lane = 0; lane < 16; ++lane) {
          const int64_t o = block * 16 + lane;
          *prepared++ = o < s.outputs ? w[(o * s.channels + c) * taps + k] : 0.0f;
        }
}

void image_gradient(const ImageGradientShape& s, const float* d, const float* prepared, float* dx) {
  parallel_ranges(s.batch * s.height, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rows_range)(s, d, prepared, dx, begin, end);
  });
}

}  // namespace fovea::kernels
#endif
