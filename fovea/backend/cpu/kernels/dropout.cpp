// y[i] = u_i ≥ rate ? x[i] / (1 − rate) : 0, u_i the uniform numbers of base/rng.h: Philox 4x32-10, several counters
// side by side. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; ops/dropout.cpp.
#include "fovea/backend/cpu/kernels/dropout.h"

#include <algorithm>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/dropout.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A 32-bit word in each 64-bit lane, so that products need no shuffles.
using Wide = hn::CappedTag<uint64_t, 8>;
#if HWY_TARGET != HWY_SCALAR
using Narrow = hn::Repartition<uint32_t, Wide>;
#endif
constexpr int64_t kCounters = hn::MaxLanes(Wide());
constexpr int64_t kRow = 512;  // words made at a time

// The products of the low halves.
template <class V>
HWY_INLINE V times(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Mul(a, b);
#else
  const Narrow n;
  return hn::MulEven(hn::BitCast(n, a), hn::BitCast(n, b));
#endif
}

// words[4 · k + w] = word w of counter first + k, for k in [0, kCounters).
HWY_INLINE void philox(uint64_t key, uint64_t first, uint32_t* words) {
  const Wide d;
  const auto low = hn::Set(d, uint64_t{0xFFFFFFFF});
  const auto counter = hn::Add(hn::Set(d, first), hn::Iota(d, 0));
  auto c0 = hn::And(counter, low), c1 = hn::ShiftRight<32>(counter), c2 = hn::Zero(d), c3 = hn::Zero(d);
  const auto m0 = hn::Set(d, uint64_t{0xD2511F53}), m1 = hn::Set(d, uint64_t{0xCD9E8D57});
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const auto p0 = times(c0, m0), p1 = times(c2, m1);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(d, uint64_t{k0}));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(d, uint64_t{k1}));
    c1 = hn::And(p1, low);
    c3 = hn::And(p0, low);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  HWY_ALIGN uint64_t even[kCounters], odd[kCounters];
  hn::Store(hn::Or(c0, hn::ShiftLeft<32>(c1)), d, even);
  hn::Store(hn::Or(c2, hn::ShiftLeft<32>(c3)), d, odd);
  for (int64_t k = 0; k < kCounters; ++k) {
    words[4 * k] = static_cast<uint32_t>(even[k]);
    words[4 * k + 1] = static_cast<uint32_t>(even[k] >> 32);
    words[4 * k + 2] = static_cast<uint32_t>(odd[k]);
    words[4 * k + 3] = static_cast<uint32_t>(odd[k] >> 32);
  }
}

// kept[k]: whether the element first + k is kept, 1 or 0; count at most kRow.
HWY_INLINE void kept_of(uint64_t key, uint32_t threshold, uint64_t first, int64_t count, uint8_t* kept) {
  uint32_t words[kRow + 4 * kCounters];
  const uint64_t begin = first / 4;
  const int64_t skipped = static_cast<int64_t>(first % 4);
  for (int64_t k = 0; k < skipped + count; k += 4 * kCounters)
    philox(key, begin + static_cast<uint64_t>(k / 4), words + k);
  for (int64_t k = 0; k < count; ++k) kept[k] = (words[skipped + k] >> 8) >= threshold;
}

// Elements [begin, end) of a plain value.
void dropout_plain(uint64_t key, uint32_t threshold, double scale, const float* x, float* y, uint8_t* mask,
                   int64_t begin, int64_t end) {
  uint8_t kept[kRow];
  for (int64_t first = begin; first < end; first += kRow) {
    const int64_t count = std::min(kRow, end - first);
    kept_of(key, threshold, static_cast<uint64_t>(first), count, kept);
    // A product with zero would keep infinities and NaN.
    for (int64_t k = 0; k < count; ++k)
      y[first + k] = kept[k] ? static_cast<float>(static_cast<double>(x[first + k]) * scale) : 0.0f;
    if (mask)
      for (int64_t k = 0; k < count; ++k) mask[first + k] = kept[k];
  }
}

// Up to 16 channels from `channel` on of one image; the block's lanes beyond the channels become zeros.
void dropout_block(const DropoutShape& s, uint64_t key, uint32_t threshold, double scale, const float* x, float* y,
                   int64_t image, int64_t channel) {
  constexpr int64_t kPixels = 64;
  uint8_t kept[16][kPixels];
  const int64_t at = image * s.image + channel / s.block * s.step + channel % s.block;
  const int64_t width = std::min<int64_t>(16, s.block - channel % s.block);
  const int64_t lanes = std::min(width, s.channels - channel);
  for (int64_t first = 0; first < s.pixels; first += kPixels) {
    const int64_t count = std::min(kPixels, s.pixels - first);
    for (int64_t lane = 0; lane < lanes; ++lane)
      kept_of(key, threshold, static_cast<uint64_t>((image * s.channels + channel + lane) * s.pixels + first), count,
              kept[lane]);
    for (int64_t p = 0; p < count; ++p) {
      const float* from = x + at + (first + p) * s.pixel;
      float* to = y + at + (first + p) * s.pixel;
      for (int64_t lane = 0; lane < lanes; ++lane)
        to[lane] = kept[lane][p] ? static_cast<float>(static_cast<double>(from[lane]) * scale) : 0.0f;
      for (int64_t lane = lanes; lane < width; ++lane) to[lane] = 0.0f;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(dropout_plain);
HWY_EXPORT(dropout_block);

void dropout(const DropoutShape& s, uint64_t key, uint32_t threshold, double scale, const float* x, float* y,
             uint8_t* mask) {
  if (s.block == 1) {
    parallel_ranges(s.images * s.channels * s.pixels, 4096, [&](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(dropout_plain)(key, threshold, scale, x, y, mask, begin, end);
    });
    return;
  }
  const int64_t most = std::min<int64_t>(s.block, 16), inside = (s.block + most - 1) / most;
  const int64_t groups = (s.channels + s.block - 1) / s.block * inside;
  parallel_for(s.images * groups, std::max<int64_t>(1, 4096 / (most * s.pixels)), [&](int64_t i) {
    const int64_t group = i % groups;
    HWY_DYNAMIC_DISPATCH(dropout_block)
    (s, key, threshold, scale, x, y, i / groups, group / inside * s.block + group % inside * most);
  });
}

}  // namespace fovea::kernels
#endif
