// The weight of Student's t-distribution with one degree of freedom, 1 / (1 + dx² + dy²). Included once for each
// Highway target.
#if defined(FOVEA_KERNELS_STUDENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_KERNELS_STUDENT_INL_H_
#undef FOVEA_KERNELS_STUDENT_INL_H_
#else
#define FOVEA_KERNELS_STUDENT_INL_H_
#endif

#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// Estimated (12 bits and better on x86, then 23), or refined by one Newton step, r (2 − d r).
template <bool kRefined>
HWY_INLINE Vector student(Vector dx, Vector dy) {
  const Floats d;
  const Vector distance = hn::MulAdd(dy, dy, hn::MulAdd(dx, dx, hn::Set(d, 1.0f)));
  const Vector estimate = hn::ApproximateReciprocal(distance);
  if (!kRefined && HWY_ARCH_X86) return estimate;
  return hn::Mul(estimate, hn::NegMulAdd(distance, estimate, hn::Set(d, 2.0f)));
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#endif
