// Sixteen floats as one value on every instruction set: one AVX-512 register, two of AVX2, four of SSE. Kernels written
// with it sum in the same order everywhere. Included once for each Highway target (after HWY_TARGET_INCLUDE's file).
#if defined(FOVEA_KERNELS_SIXTEEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_KERNELS_SIXTEEN_INL_H_
#undef FOVEA_KERNELS_SIXTEEN_INL_H_
#else
#define FOVEA_KERNELS_SIXTEEN_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Floats()));
constexpr int kParts = 16 / kLanes;

struct Sixteen {
  Vector part[kParts];
};

template <class F>
HWY_INLINE Sixteen each(const F& f) {
  Sixteen r;
#pragma GCC unroll 4
  for (int k = 0; k < kParts; ++k) r.part[k] = f(k);
  return r;
}

HWY_INLINE Sixteen broadcast(float value) {
  return each([&](int) HWY_ATTR { return hn::Set(Floats(), value); });
}
HWY_INLINE Sixteen zero() {
  return each([&](int) HWY_ATTR { return hn::Zero(Floats()); });
}
HWY_INLINE Sixteen load(const float* from) {
  return each([&](int k) HWY_ATTR { return hn::LoadU(Floats(), from + k * kLanes); });
}
HWY_INLINE void store(const Sixteen& x, float* to) {
#pragma GCC unroll 4
  for (int k = 0; k < kParts; ++k) hn::StoreU(x.part[k], Floats(), to + k * kLanes);
}
// The first `count` of sixteen; the rest are zero, and their memory is not touched.
HWY_INLINE Sixteen load_part(const float* from, int64_t count) {
  float buffer[16] = {};
  std::memcpy(buffer, from, static_cast<size_t>(count) * sizeof(float));
  return load(buffer);
}
HWY_INLINE void store_part(const Sixteen& x, float* to, int64_t count) {
  float buffer[16];
  store(x, buffer);
  std::memcpy(to, buffer, static_cast<size_t>(count) * sizeof(float));
}
HWY_INLINE Sixteen add(const Sixteen& a, const Sixteen& b) {
  return each([&](int k) HWY_ATTR { return hn::Add(a.part[k], b.part[k]); });
}
HWY_INLINE Sixteen sub(const Sixteen& a, const Sixteen& b) {
  return each([&](int k) HWY_ATTR { return hn::Sub(a.part[k], b.part[k]); });
}
HWY_INLINE Sixteen mul(const Sixteen& a, const Sixteen& b) {
  return each([&](int k) HWY_ATTR { return hn::Mul(a.part[k], b.part[k]); });
}
// a · b + c
HWY_INLINE Sixteen mul_add(const Sixteen& a, const Sixteen& b, const Sixteen& c) {
  return each([&](int k) HWY_ATTR { return hn::MulAdd(a.part[k], b.part[k], c.part[k]); });
}
// a · s + c
HWY_INLINE Sixteen mul_add(const Sixteen& a, float s, const Sixteen& c) {
  return each([&](int k) HWY_ATTR { return hn::MulAdd(a.part[k], hn::Set(Floats(), s), c.part[k]); });
}
HWY_INLINE Sixteen mul(const Sixteen& a, float s) {
  return each([&](int k) HWY_ATTR { return hn::Mul(a.part[k], hn::Set(Floats(), s)); });
}
// Highway's Ne is false for NaN on some instruction sets.
HWY_INLINE auto is_nan(Vector x) { return hn::Not(hn::Eq(x, x)); }
// x where x ≥ 0 or NaN, else 0.
HWY_INLINE Vector rectify(Vector x) {
  const Vector nought = hn::Zero(Floats());
  return hn::IfThenZeroElse(hn::Lt(x, nought), x);
}
HWY_INLINE Sixteen rectify(const Sixteen& x) {
  return each([&](int k) HWY_ATTR { return rectify(x.part[k]); });
}
// Pairwise, the same tree on every instruction set.
HWY_INLINE float sum(const Sixteen& x) {
  float t[16];
  store(x, t);
  for (int width = 8; width >= 1; width /= 2)
    for (int k = 0; k < width; ++k) t[k] += t[k + width];
  return t[0];
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#endif
