// The one-dimensional transforms of Winograd's minimal filtering F(m, k) with s = m + k - 1 points: y = Aᵀ[(G g) ⊙ (Bᵀ
// d)]. s = 6 has the points 0, ±1, ±2, ∞; s = 8 has 0, ±1, ±2, ±1/2, ∞. Bᵀ depends on the points alone; row j of Aᵀ has
// their j-th powers, and ∞ in its last. Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR
// 2016; the points ±1/2: Vincent et al., "On improving the numerical stability of Winograd convolutions", 2017.
#if defined(FOVEA_KERNELS_WINOGRAD_TRANSFORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#undef FOVEA_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#else
#define FOVEA_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#endif

#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// Bᵀ d
template <int kSide>
HWY_INLINE void transform_input(const Sixteen* d, Sixteen* t) {
  if constexpr (kSide == 6) {
    t[0] = mul_add(d[0], 4.0f, mul_add(d[2], -5.0f, d[4]));
    const Sixteen a = mul_add(d[2], -4.0f, d[4]), b = mul_add(d[1], -4.0f, d[3]);
    t[1] = add(a, b);
    t[2] = sub(a, b);
    const Sixteen c = sub(d[4], d[2]), e = sub(d[3], d[1]);
    t[3] = mul_add(e, 2.0f, c);
    t[4] = mul_add(e, -2.0f, c);
    t[5] = mul_add(d[1], 4.0f, mul_add(d[3], -5.0f, d[5]));
  } else {
    t[0] = mul_add(sub(d[4], d[2]), 5.25f, sub(d[0], d[6]));
    t[7] = mul_add(sub(d[3], d[5]), 5.25f, sub(d[7], d[1]));
    const Sixteen a = mul_add(d[4], -4.25f, add(d[2], d[6])), b = mul_add(d[3], -4.25f, add(d[1], d[5]));
    t[1] = add(a, b);
    t[2] = sub(a, b);
    const Sixteen c = mul_add(d[2], 0.25f, mul_add(d[4], -1.25f, d[6]));
    const Sixteen e = mul_add(d[1], 0.5f, mul_add(d[3], -2.5f, mul(d[5], 2.0f)));
    t[3] = add(c, e);
    t[4] = sub(c, e);
    const Sixteen f = mul_add(mul_add(d[4], -1.25f, d[2]), 4.0f, d[6]);
    const Sixteen g = mul_add(d[5], 0.5f, mul_add(d[3], -2.5f, mul(d[1], 2.0f)));
    t[5] = add(f, g);
    t[6] = sub(f, g);
  }
}

// Aᵀ m
template <int kTile, int kSide>
HWY_INLINE void transform_output(const Sixteen* m, Sixteen* y) {
  const Sixteen s1 = add(m[1], m[2]), d1 = sub(m[1], m[2]);
  const Sixteen s2 = add(m[3], m[4]), d2 = sub(m[3], m[4]);
  if constexpr (kSide == 6) {
    y[0] = add(m[0], add(s1, s2));
    y[1] = mul_add(d2, 2.0f, d1);
    y[2] = mul_add(s2, 4.0f, s1);
    y[3] = mul_add(d2, 8.0f, add(d1, m[5]));
  } else {
    const Sixteen s3 = add(m[5], m[6]), d3 = sub(m[5], m[6]);
    y[0] = add(add(m[0], s1), add(s2, s3));
    y[1] = mul_add(d2, 2.0f, mul_add(d3, 0.5f, d1));
    y[2] = mul_add(s2, 4.0f, mul_add(s3, 0.25f, s1));
    y[3] = mul_add(d2, 8.0f, mul_add(d3, 0.125f, d1));
    if constexpr (kTile == 4) y[3] = add(y[3], m[7]);
    if constexpr (kTile == 6) {
      y[4] = mul_add(s2, 16.0f, mul_add(s3, 0.0625f, s1));
      y[5] = mul_add(d2, 32.0f, mul_add(d3, 0.03125f, add(d1, m[7])));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#endif
