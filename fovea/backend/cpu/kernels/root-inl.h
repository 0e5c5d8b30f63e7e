// Square roots and quotients of sixteen floats. Included once for each Highway target.
#if defined(FOVEA_KERNELS_ROOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_KERNELS_ROOT_INL_H_
#undef FOVEA_KERNELS_ROOT_INL_H_
#else
#define FOVEA_KERNELS_ROOT_INL_H_
#endif

#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE Sixteen root(const Sixteen& x) {
  return each([&](int k) HWY_ATTR { return hn::Sqrt(x.part[k]); });
}
HWY_INLINE Sixteen quotient(const Sixteen& a, const Sixteen& b) {
  return each([&](int k) HWY_ATTR { return hn::Div(a.part[k], b.part[k]); });
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#endif
