// The exponential, the normal distribution and the error function of vectors of floats. Included once for each Highway
// target, as sixteen-inl.h is.
//
//   Φ(x) = erfc(−x/√2) / 2,  φ(x) = e^(−x²/2) / √(2π)
//   erfc(t) = e^(−t²) Σ_{i=1}^{9} a_i k^i, k = 1 / (1 + 0.375 t), for t ≥ 0
//   erf(x) = x Σ_{i=0}^{6} b_i x^{2i} for |x| ≤ 1, else ±(1 − erfc(|x|))
// The form of erfc is that of Abramowitz & Stegun 7.1.26; the numbers a and b are ours: a minimax fit (least squares,
// weighted anew until the greatest relative error no longer fell) to scipy's erfcx on [0, 10], off by 1.3e-8 of the
// value, and to erf(x)/x on [0, 1], off by 1.3e-9. In f32 Φ is off by at most 4e-7 of 1, and by 2e-6 of itself down to
// x = −5. The approximation by tanh (ops/gelu.cpp) has Φ(x) = 1 / (1 + e^(−2u)), u = √(2/π) (x + 0.044715 x³), and φ =
// Φ (1 − Φ) 2u'.
#if defined(FOVEA_KERNELS_NORMAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_KERNELS_NORMAL_INL_H_
#undef FOVEA_KERNELS_NORMAL_INL_H_
#else
#define FOVEA_KERNELS_NORMAL_INL_H_
#endif

#include <limits>

#include "fovea/backend/cpu/kernels/sixteen-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// Infinite above 88.72, where Highway's own is not; NaN stays NaN.
HWY_INLINE Vector exponential(Vector x) {
  const Floats d;
  const Vector most = hn::Set(d, 88.722839f);
  const Vector finite = hn::Exp(d, hn::Min(x, most));
  const Vector result = hn::IfThenElse(hn::Gt(x, most), hn::Set(d, std::numeric_limits<float>::infinity()), finite);
  return hn::IfThenElse(is_nan(x), x, result);
}

// Σ c_i x^i, the highest power first.
template <size_t kCount>
HWY_INLINE Vector polynomial(const float (&c)[kCount], Vector x) {
  const Floats d;
  Vector sum = hn::Set(d, c[0]);
#pragma GCC unroll 16
  for (size_t i = 1; i < kCount; ++i) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

// Σ a_i k^i: erfc(t) e^(t²), t ≥ 0.
HWY_INLINE Vector scaled_complement(Vector t) {
  constexpr float kA[] = {0.0615386814f, -0.287330568f, 0.432399541f, -0.229414344f, 0.273725301f,
                          0.121504702f,  0.205313548f,  0.210649639f, 0.211613476f};
  const Floats d;
  const Vector one = hn::Set(d, 1.0f), k = hn::Div(one, hn::MulAdd(t, hn::Set(d, 0.375f), one));
  return hn::Mul(polynomial(kA, k), k);
}

struct Normal {
  Vector below, density;  // Φ and φ
};

HWY_INLINE Normal normal(Vector x) {
  const Floats d;
  const Vector half = hn::Set(d, 0.5f), t = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678f));
  const Vector fall = hn::Exp(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const Vector tail = hn::Mul(hn::Mul(scaled_complement(t), fall), half);
  const Vector below = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0f), tail));
  return {hn::IfThenElse(is_nan(x), x, below), hn::Mul(fall, hn::Set(d, 0.39894228f))};
}

// Beyond ±30 the fall is 0 or 1 and the density 0, and x³ may overflow.
HWY_INLINE Normal logistic_normal(Vector x) {
  constexpr float kTwoRoots = 1.5957691f, kCubic = 0.044715f;  // 2 √(2/π)
  const Floats d;
  const Vector one = hn::Set(d, 1.0f), near = hn::Clamp(x, hn::Set(d, -30.0f), hn::Set(d, 30.0f));
  const Vector square = hn::Mul(near, near), root = hn::Set(d, kTwoRoots);
  const Vector u = hn::Mul(hn::Mul(near, root), hn::MulAdd(square, hn::Set(d, kCubic), one));
  const Vector below = hn::Div(one, hn::Add(one, exponential(hn::Neg(u))));
  const Vector slope = hn::Mul(root, hn::MulAdd(square, hn::Set(d, 3 * kCubic), one));
  return {hn::IfThenElse(is_nan(x), x, below), hn::Mul(hn::Mul(below, hn::Sub(one, below)), slope)};
}

HWY_INLINE Vector error_function(Vector x) {
  constexpr float kB[] = {7.85385128e-05f, -0.00080101908f, 0.00518832728f, -0.026853811f,
                          0.112835854f,    -0.37612626f,    1.12837911f};
  const Floats d;
  const Vector t = hn::Abs(x), square = hn::Mul(x, x), one = hn::Set(d, 1.0f);
  const Vector tail = hn::Mul(scaled_complement(t), hn::Exp(d, hn::Neg(square)));
  const Vector far = hn::CopySign(hn::Sub(one, tail), x), near = hn::Mul(x, polynomial(kB, square));
  return hn::IfThenElse(is_nan(x), x, hn::IfThenElse(hn::Lt(t, one), near, far));
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#endif
