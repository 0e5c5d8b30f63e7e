// y[o,i,r] = x[o,at[i],r] and its adjoint. Single elements are gathered by the instruction set's own instruction.
#include "fovea/backend/cpu/kernels/gather.h"

#include <algorithm>
#include <cstring>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/gather.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// y[i] = x[at[i]]
void gather_elements(const float* x, const int32_t* at, float* y, int64_t count) {
  const Floats d;
  const hn::RebindToSigned<Floats> positions;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::GatherIndex(d, x, hn::LoadU(positions, at + i)), d, y + i);
  for (; i < count; ++i) y[i] = x[at[i]];
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(gather_elements);

namespace {

constexpr int64_t kGrain = 4096;  // elements a thread must have to be worth waking

// The columns [begin, end) of one outer part: sums of d's rows.
void add_columns(const GatherShape& s, const float* d, const int32_t* at, double* sums, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < s.count; ++i) {
    const float* from = d + i * s.inner;
    double* to = sums + at[i] * s.inner;
    for (int64_t r = begin; r < end; ++r) to[r] += static_cast<double>(from[r]);
  }
}

}  // namespace

void gather(const GatherShape& s, const float* x, const int32_t* at, float* y) {
  if (s.inner == 1) {
    const int64_t pieces = (s.count + kGrain - 1) / kGrain;
    parallel_for(s.outer * pieces, 1, [&](int64_t k) {
      const int64_t o = k / pieces, begin = k % pieces * kGrain, end = std::min(s.count, begin + kGrain);
      HWY_DYNAMIC_DISPATCH(gather_elements)(x + o * s.size, at + begin, y + o * s.count + begin, end - begin);
    });
    return;
  }
  parallel_for(s.outer * s.count, std::max<int64_t>(1, kGrain / std::max<int64_t>(s.inner, 1)), [&](int64_t k) {
    const int64_t o = k / s.count, i = k % s.count;
    std::memcpy(y + k * s.inner, x + (o * s.size + at[i]) * s.inner, static_cast<size_t>(s.inner) * sizeof(float));
  });
}

void scatter_add(const GatherShape& s, const float* d, const int32_t* at, float* y, double* sums) {
  const int64_t plane = s.size * s.inner, total = s.outer * plane;
  // Each sum belongs to one thread, which adds in the order of i.
  const int64_t wide = 64, pieces = (s.inner + wide - 1) / wide;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.count * std::min(wide, s.inner)));
  parallel_for(s.outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, plane)),
               [&](int64_t o) { std::fill_n(sums + o * plane, plane, 0.0); });
  parallel_for(s.outer * pieces, grain, [&](int64_t k) {
    const int64_t o = k / pieces, begin = k % pieces * wide;
    add_columns(s, d + o * s.count * s.inner, at, sums + o * plane, begin, std::min(s.inner, begin + wide));
  });
  parallel_ranges(total, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<float>(sums[i]);
  });
}

}  // namespace fovea::kernels
#endif
