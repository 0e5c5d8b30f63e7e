// Every instruction set's code is made from this one file by Highway, and the best is chosen at run time. All are
// integer arithmetic, so all give the same bits.
#include "fovea/image/resize_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/image/resize_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fovea::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int32_t kHalf = 1 << (kResizeBits - 1);

inline uint8_t to_sample(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kResizeBits, 0, 255)); }

// Any channels, one sample after the other.
HWY_ATTR void row_plain(const uint8_t* in, uint8_t* out, int width, int channels, const int32_t* first,
                        const int32_t* count, const int32_t* coefficients, int taps) {
  for (int x = 0; x < width; ++x, coefficients += taps) {
    const uint8_t* from = in + static_cast<size_t>(first[x]) * channels;
    for (int c = 0; c < channels; ++c) {
      int32_t sum = kHalf;
      for (int i = 0; i < count[x]; ++i) sum += from[i * channels + c] * coefficients[i];
      *out++ = to_sample(sum);
    }
  }
}

#if HWY_TARGET == HWY_SCALAR
HWY_ATTR void row_pixels(const uint8_t* in, uint8_t* out, int width, int channels, const int32_t* first,
                         const int32_t* count, const int32_t* coefficients, int taps) {
  row_plain(in, out, width, channels, first, count, coefficients, taps);
}
#else
// Three or four channels: a vector holds one pixel.
template <int kChannels>
HWY_ATTR void row_of(const uint8_t* in, uint8_t* out, int width, const int32_t* first, const int32_t* count,
                     const int32_t* coefficients, int taps) {
  const hn::CappedTag<int32_t, 4> sums;
  const hn::Rebind<uint8_t, decltype(sums)> samples;
  for (int x = 0; x < width; ++x, coefficients += taps, out += kChannels) {
    const uint8_t* from = in + static_cast<size_t>(first[x]) * kChannels;
    const int taps_here = count[x];
    auto even = hn::Set(sums, kHalf);
    auto odd = hn::Zero(sums);
    int i = 0;
    for (; i + 1 < taps_here; i += 2, from += 2 * kChannels) {
      const auto a = hn::PromoteTo(sums, hn::LoadU(samples, from));
      const auto b = hn::PromoteTo(sums, hn::LoadU(samples, from + kChannels));
      even = hn::Add(even, hn::Mul(a, hn::Set(sums, coefficients[i])));
      odd = hn::Add(odd, hn::Mul(b, hn::Set(sums, coefficients[i + 1])));
    }
    if (i < taps_here) {
      const auto a = hn::PromoteTo(sums, hn::LoadU(samples, from));
      even = hn::Add(even, hn::Mul(a, hn::Set(sums, coefficients[i])));
    }
    const auto sum = hn::ShiftRight<kResizeBits>(hn::Add(even, odd));
    uint8_t pixel[4];
    hn::StoreU(hn::DemoteTo(samples, sum), samples, pixel);
    for (int c = 0; c < kChannels; ++c) out[c] = pixel[c];
  }
}

HWY_ATTR void row_pixels(const uint8_t* in, uint8_t* out, int width, int channels, const int32_t* first,
                         const int32_t* count, const int32_t* coefficients, int taps) {
  if (channels == 3) row_of<3>(in, out, width, first, count, coefficients, taps);
  else if (channels == 4) row_of<4>(in, out, width, first, count, coefficients, taps);
  else row_plain(in, out, width, channels, first, count, coefficients, taps);
}
#endif

HWY_ATTR void column(const uint8_t* in, size_t stride, uint8_t* out, size_t size, int count,
                     const int32_t* coefficients) {
  const hn::ScalableTag<int32_t> sums;
  const hn::Rebind<uint8_t, decltype(sums)> samples;
  const size_t lanes = hn::Lanes(sums), block = 4 * lanes;
  const auto one_block = [&](size_t at) HWY_ATTR {
    auto a = hn::Set(sums, kHalf), b = a, c = a, d = a;
    const uint8_t* from = in + at;
    for (int i = 0; i < count; ++i, from += stride) {
      const auto k = hn::Set(sums, coefficients[i]);
      a = hn::Add(a, hn::Mul(k, hn::PromoteTo(sums, hn::LoadU(samples, from))));
      b = hn::Add(b, hn::Mul(k, hn::PromoteTo(sums, hn::LoadU(samples, from + lanes))));
      c = hn::Add(c, hn::Mul(k, hn::PromoteTo(sums, hn::LoadU(samples, from + 2 * lanes))));
      d = hn::Add(d, hn::Mul(k, hn::PromoteTo(sums, hn::LoadU(samples, from + 3 * lanes))));
    }
    hn::StoreU(hn::DemoteTo(samples, hn::ShiftRight<kResizeBits>(a)), samples, out + at);
    hn::StoreU(hn::DemoteTo(samples, hn::ShiftRight<kResizeBits>(b)), samples, out + at + lanes);
    hn::StoreU(hn::DemoteTo(samples, hn::ShiftRight<kResizeBits>(c)), samples, out + at + 2 * lanes);
    hn::StoreU(hn::DemoteTo(samples, hn::ShiftRight<kResizeBits>(d)), samples, out + at + 3 * lanes);
  };
  size_t at = 0;
  for (; at + block <= size; at += block) one_block(at);
  if (at < size && size >= block) return one_block(size - block);  // overlaps the block before it
  for (; at < size; ++at) {
    int32_t sum = kHalf;
    for (int i = 0; i < count; ++i) sum += in[at + i * stride] * coefficients[i];
    out[at] = to_sample(sum);
  }
}

}  // namespace fovea::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea {

HWY_EXPORT(row_pixels);
HWY_EXPORT(column);

void resize_row(const uint8_t* in, uint8_t* out, int width, int channels, const int32_t* first, const int32_t* count,
                const int32_t* coefficients, int taps) {
  HWY_DYNAMIC_DISPATCH(row_pixels)(in, out, width, channels, first, count, coefficients, taps);
}

void resize_column(const uint8_t* in, size_t stride, uint8_t* out, size_t size, int count,
                   const int32_t* coefficients) {
  HWY_DYNAMIC_DISPATCH(column)(in, stride, out, size, count, coefficients);
}

}  // namespace fovea
#endif
