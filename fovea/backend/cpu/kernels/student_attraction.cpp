// Sixteen entries of a row at a time; x and y of a point are gathered together, as one element of eight bytes. The last
// entries of a row are filled up with zeros of P.
#include "fovea/backend/cpu/kernels/student_attraction.h"

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/student_attraction.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

struct Offsets {
  Vector x, y;  // of a point from those that were gathered
};

// `at`: the columns of as many points as a vector has lanes.
HWY_INLINE Offsets offsets(Vector x, Vector y, const PackedPoints& points, const int32_t* at) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR
  return {hn::Sub(x, hn::Set(d, points.x[at[0]])), hn::Sub(y, hn::Set(d, points.y[at[0]]))};
#else
  const hn::Repartition<int64_t, Floats> pairs;
  const hn::Rebind<int32_t, decltype(pairs)> narrow;
  const auto gathered = [&](const int32_t* columns) HWY_ATTR {
    return hn::BitCast(d, hn::GatherIndex(pairs, points.both, hn::PromoteTo(pairs, hn::LoadU(narrow, columns))));
  };
  const Vector low = gathered(at), high = gathered(at + kLanes / 2);
  return {hn::Sub(x, hn::ConcatEven(d, high, low)), hn::Sub(y, hn::ConcatOdd(d, high, low))};
#endif
}

HWY_INLINE Vector one_and_square(const Offsets& o) {
  return hn::MulAdd(o.y, o.y, hn::MulAdd(o.x, o.x, hn::Set(Floats(), 1.0f)));
}

// Calls use(sixteen columns, sixteen values) over the entries of a row.
template <class Use>
HWY_INLINE void in_sixteens(const SparseRows& rows, int64_t i, const Use& use) {
  int64_t e = rows.begin[i];
  const int64_t end = rows.begin[i + 1];
  for (; e + 16 <= end; e += 16) use(rows.column + e, rows.value + e);
  if (e == end) return;
  int32_t columns[16] = {};
  float values[16] = {};
  for (int64_t k = 0; e + k < end; ++k) columns[k] = rows.column[e + k], values[k] = rows.value[e + k];
  use(columns, values);
}

void attraction_rows(const SparseRows& rows, const PackedPoints& points, float* force_x, float* force_y, int64_t first,
                     int64_t last) {
  const Floats d;
  for (int64_t i = first; i < last; ++i) {
    const Vector x = hn::Set(d, points.x[i]), y = hn::Set(d, points.y[i]);
    Sixteen sum_x = zero(), sum_y = zero();
    in_sixteens(rows, i, [&](const int32_t* columns, const float* values) HWY_ATTR {
#pragma GCC unroll 16
      for (int k = 0; k < kParts; ++k) {
        const Offsets o = offsets(x, y, points, columns + k * kLanes);
        const Vector pull = hn::Div(hn::LoadU(d, values + k * kLanes), one_and_square(o));
        sum_x.part[k] = hn::MulAdd(pull, o.x, sum_x.part[k]);
        sum_y.part[k] = hn::MulAdd(pull, o.y, sum_y.part[k]);
      }
    });
    force_x[i] = sum(sum_x);
    force_y[i] = sum(sum_y);
  }
}

void log_distance_rows(const SparseRows& rows, const PackedPoints& points, float* sums, int64_t first, int64_t last) {
  const Floats d;
  for (int64_t i = first; i < last; ++i) {
    const Vector x = hn::Set(d, points.x[i]), y = hn::Set(d, points.y[i]);
    Sixteen total = zero();
    in_sixteens(rows, i, [&](const int32_t* columns, const float* values) HWY_ATTR {
#pragma GCC unroll 16
      for (int k = 0; k < kParts; ++k) {
        const Offsets o = offsets(x, y, points, columns + k * kLanes);
        total.part[k] = hn::MulAdd(hn::LoadU(d, values + k * kLanes), hn::Log(d, one_and_square(o)), total.part[k]);
      }
    });
    sums[i] = sum(total);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(attraction_rows);
HWY_EXPORT(log_distance_rows);

namespace {
constexpr int64_t kGrain = 128;  // rows a thread must have to be worth waking
}

void pack_points(const float* x, const float* y, int64_t count, int64_t* both) {
  for (int64_t i = 0; i < count; ++i) {
    const float point[2] = {x[i], y[i]};
    std::memcpy(both + i, point, sizeof point);
  }
}

void student_attraction(const SparseRows& rows, const PackedPoints& points, float* force_x, float* force_y) {
  parallel_ranges(rows.count, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(attraction_rows)(rows, points, force_x, force_y, begin, end);
  });
}

void student_log_distance(const SparseRows& rows, const PackedPoints& points, float* sums) {
  parallel_ranges(rows.count, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(log_distance_rows)(rows, points, sums, begin, end);
  });
}

}  // namespace fovea::kernels
#endif
