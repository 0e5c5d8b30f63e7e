// dx[c] = d[c] · s[c]^−β − 2βα/size · x[c] · Σ_j d[j] · x[j] · s[j]^(−β−1), s[c] = bias + α/size · Σ_j x[j]²: sixteen
// pixels at a time, their channels side by side in a buffer that stays in the first caches. β in quarters needs only
// square roots. Source: ops/lrn.cpp.
#include "fovea/backend/cpu/kernels/lrn_gradient.h"

#include <algorithm>
#include <cmath>

#include "fovea/backend/cpu/kernels/team.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/lrn_gradient.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/root-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

constexpr int64_t kPixels = 16;

// s^−β
HWY_INLINE Sixteen power(const Sixteen& s, float beta) {
  const float quarters = beta * 4;
  if (quarters == std::floor(quarters) && quarters >= 0 && quarters <= 8) {
    Sixteen product = broadcast(1.0f);
    const auto count = static_cast<int>(quarters);
    for (int k = 0; k < count / 4; ++k) product = mul(product, s);
    const Sixteen half = root(s);
    if (count % 4 >= 2) product = mul(product, half);
    if (count % 2 == 1) product = mul(product, root(half));
    return quotient(broadcast(1.0f), product);
  }
  float values[16];
  store(s, values);
  for (float& value : values) value = std::pow(value, -beta);
  return load(values);
}

// to[c][16] = the channels of `count` pixels, zeros beyond them.
void gather_pixels(const LrnShape& s, const float* from, int64_t count, float* to) {
  const PixelStrides& t = s.strides;
  if (t.block == 1) {
    for (int64_t c = 0; c < s.channels; ++c)
      store(count == kPixels ? load(from + c * t.step) : load_part(from + c * t.step, count), to + c * kPixels);
    return;
  }
  for (int64_t first = 0; first < s.channels; first += t.block) {
    const float* block = from + first / t.block * t.step;
    const int64_t lanes = std::min(t.block, s.channels - first);
    for (int64_t p = 0; p < kPixels; ++p)
      for (int64_t lane = 0; lane < lanes; ++lane)
        to[(first + lane) * kPixels + p] = p < count ? block[p * t.pixel + lane] : 0.0f;
  }
}

// The way back; the lanes of a last block beyond the channels become zeros.
void scatter_pixels(const LrnShape& s, const float* from, int64_t count, float* to) {
  const PixelStrides& t = s.strides;
  if (t.block == 1) {
    for (int64_t c = 0; c < s.channels; ++c) {
      if (count == kPixels) store(load(from + c * kPixels), to + c * t.step);
      else store_part(load(from + c * kPixels), to + c * t.step, count);
    }
    return;
  }
  for (int64_t first = 0; first < s.channels; first += t.block) {
    float* block = to + first / t.block * t.step;
    const int64_t lanes = std::min(t.block, s.channels - first);
    for (int64_t p = 0; p < count; ++p)
      for (int64_t lane = 0; lane < t.block; ++lane)
        block[p * t.pixel + lane] = lane < lanes ? from[(first + lane) * kPixels + p] : 0.0f;
  }
}

// Groups of sixteen pixels [begin, end) of [images][groups]; `memory`: 4 buffers of [channels][16].
void lrn_gradient_groups(const LrnShape& s, const float* d, const float* x, float* dx, float* memory, int64_t begin,
                         int64_t end) {
  const int64_t groups = (s.pixels + kPixels - 1) / kPixels, size = s.channels * kPixels;
  float *xs = memory, *ds = memory + size, *powers = ds + size, *terms = powers + size;
  const float factor = 2 * s.scale * s.beta;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t first = index % groups * kPixels, count = std::min(kPixels, s.pixels - first);
    const int64_t at = index / groups * s.strides.image + first * s.strides.pixel;
    gather_pixels(s, x + at, count, xs);
    gather_pixels(s, d + at, count, ds);
    for (int64_t c = 0; c < s.channels; ++c) {
      Sixteen total = zero();
      const int64_t last = std::min(s.channels - 1, c + s.after);
      for (int64_t j = std::max<int64_t>(0, c - s.before); j <= last; ++j) {
        const Sixteen value = load(xs + j * kPixels);
        total = mul_add(value, value, total);
      }
      const Sixteen base = mul_add(total, s.scale, broadcast(s.bias)), p = power(base, s.beta);
      store(p, powers + c * kPixels);
      store(quotient(mul(mul(load(ds + c * kPixels), load(xs + c * kPixels)), p), base), terms + c * kPixels);
    }
    for (int64_t c = 0; c < s.channels; ++c) {
      Sixteen total = zero();
      const int64_t last = std::min(s.channels - 1, c + s.before);
      for (int64_t j = std::max<int64_t>(0, c - s.after); j <= last; ++j) total = add(total, load(terms + j * kPixels));
      const Sixteen shared = mul(mul(load(xs + c * kPixels), total), -factor);
      store(mul_add(load(ds + c * kPixels), load(powers + c * kPixels), shared), powers + c * kPixels);
    }
    scatter_pixels(s, powers, count, dx + at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(lrn_gradient_groups);

size_t lrn_gradient_scratch(const LrnShape& shape, int threads) {
  return static_cast<size_t>(threads * shape.channels * 4 * 16);
}

void lrn_gradient(const LrnShape& shape, const float* d, const float* x, float* dx, float* scratch, int threads) {
  const int64_t groups = shape.images * ((shape.pixels + 15) / 16);
  in_team(threads, [&](int64_t part, int64_t team) {
    HWY_DYNAMIC_DISPATCH(lrn_gradient_groups)
    (shape, d, x, dx, scratch + part * shape.channels * 4 * 16, groups * part / team, groups * (part + 1) / team);
  });
}

}  // namespace fovea::kernels
#endif
