// w_ij = 1 / (1 + (x_i − x_j)² + (y_i − y_j)²), the reciprocal by one Newton step, r (2 − d r), from the instruction
// set's estimate (12 bits and better on x86, then 23). Points stand in groups of sixteen. Part p of the pairs has the
// group rows g ≡ p (mod kRepulsionParts), each against itself and all groups after it.
#include "fovea/backend/cpu/kernels/student_repulsion.h"

#include <algorithm>
#include <vector>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/student_repulsion.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/student-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

constexpr int kRows = 4;  // points that meet a group at once

struct RepelledPoint {
  Vector x, y, force_x, force_y, weight;
};

// One vector of points of a later group against kRows points: forces on both.
template <bool kRefined>
HWY_INLINE void meet(RepelledPoint* rows, const float* x, const float* y, float* to_x, float* to_y) {
  const Floats d;
  const Vector other_x = hn::LoadU(d, x), other_y = hn::LoadU(d, y);
  Vector sum_x = hn::LoadU(d, to_x), sum_y = hn::LoadU(d, to_y);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const Vector dx = hn::Sub(rows[r].x, other_x), dy = hn::Sub(rows[r].y, other_y);
    const Vector w = student<kRefined>(dx, dy), square = hn::Mul(w, w);
    rows[r].weight = hn::Add(rows[r].weight, w);
    rows[r].force_x = hn::MulAdd(square, dx, rows[r].force_x);
    rows[r].force_y = hn::MulAdd(square, dy, rows[r].force_y);
    sum_x = hn::NegMulAdd(square, dx, sum_x);
    sum_y = hn::NegMulAdd(square, dy, sum_y);
  }
  hn::StoreU(sum_x, d, to_x);
  hn::StoreU(sum_y, d, to_y);
}

// Lanes added pairwise in an order that is the same on every instruction set: sums[16] holds the lanes' sums.
HWY_INLINE float pairwise(float* sums) {
  for (int width = 8; width >= 1; width /= 2)
    for (int k = 0; k < width; ++k) sums[k] += sums[k + width];
  return sums[0];
}

// Four points of group g against all later groups. The sums keep sixteen lanes whatever the vector's length.
template <bool kRefined>
void rows_against_later(const float* x, const float* y, int64_t count, int64_t g, int64_t first, float* force_x,
                        float* force_y, double& weight) {
  const Floats d;
  float lanes[3][kRows][16];
  for (int part = 0; part < kParts; ++part) {
    RepelledPoint rows[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      rows[r] = {hn::Set(d, x[first + r]), hn::Set(d, y[first + r]), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    for (int64_t at = (g + 1) * 16 + part * kLanes; at < count; at += 16)
      meet<kRefined>(rows, x + at, y + at, force_x + at, force_y + at);
    for (int r = 0; r < kRows; ++r) {
      hn::StoreU(rows[r].force_x, d, lanes[0][r] + part * kLanes);
      hn::StoreU(rows[r].force_y, d, lanes[1][r] + part * kLanes);
      hn::StoreU(rows[r].weight, d, lanes[2][r] + part * kLanes);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    force_x[first + r] += pairwise(lanes[0][r]);
    force_y[first + r] += pairwise(lanes[1][r]);
    weight += 2.0 * pairwise(lanes[2][r]);
  }
}

struct PointSums {
  float weight, force_x, force_y;
};

// One point against points [begin, end), both multiples of sixteen.
template <bool kRefined>
HWY_INLINE PointSums point_against(float px, float py, const float* x, const float* y, int64_t begin, int64_t end) {
  const Floats d;
  const Vector own_x = hn::Set(d, px), own_y = hn::Set(d, py);
  Sixteen weight = zero(), force_x = zero(), force_y = zero();
  for (int64_t at = begin; at < end; at += 16) {
#pragma GCC unroll 16
    for (int k = 0; k < kParts; ++k) {
      const Vector dx = hn::Sub(own_x, hn::LoadU(d, x + at + k * kLanes)),
                   dy = hn::Sub(own_y, hn::LoadU(d, y + at + k * kLanes));
      const Vector w = student<kRefined>(dx, dy), square = hn::Mul(w, w);
      weight.part[k] = hn::Add(weight.part[k], w);
      force_x.part[k] = hn::MulAdd(square, dx, force_x.part[k]);
      force_y.part[k] = hn::MulAdd(square, dy, force_y.part[k]);
    }
  }
  return {sum(weight), sum(force_x), sum(force_y)};
}

// The pairs of one part. Returns Σ w over ordered pairs, each point with itself included.
template <bool kRefined>
double part_sums(const float* x, const float* y, int64_t count, int64_t part, float* force_x, float* force_y) {
  std::fill(force_x, force_x + count, 0.0f);
  std::fill(force_y, force_y + count, 0.0f);
  double weight = 0;
  for (int64_t g = part; g * 16 < count; g += kRepulsionParts) {
    for (int64_t i = g * 16; i < g * 16 + 16; ++i) {
      const PointSums own = point_against<true>(x[i], y[i], x, y, g * 16, g * 16 + 16);
      force_x[i] += own.force_x;
      force_y[i] += own.force_y;
      weight += own.weight;
    }
    for (int64_t first = g * 16; first < g * 16 + 16; first += kRows)
      rows_against_later<kRefined>(x, y, count, g, first, force_x, force_y, weight);
  }
  return weight;
}

double repulsion_part(const float* x, const float* y, int64_t count, int64_t part, float* force_x, float* force_y,
                      bool refined) {
  return refined ? part_sums<true>(x, y, count, part, force_x, force_y)
                 : part_sums<false>(x, y, count, part, force_x, force_y);
}

void repulsion_point(float px, float py, const float* x, const float* y, int64_t count, float* result) {
  const PointSums sums = point_against<true>(px, py, x, y, 0, count);
  result[0] = sums.weight;
  result[1] = sums.force_x;
  result[2] = sums.force_y;
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(repulsion_part);
HWY_EXPORT(repulsion_point);

double student_repulsion(const float* x, const float* y, int64_t count, int64_t padded, float* force_x, float* force_y,
                         float* scratch, Reciprocals reciprocals) {
  double weights[kRepulsionParts];
  parallel_for(kRepulsionParts, 1, [&](int64_t part) {
    float* own = scratch + 2 * part * count;
    weights[part] =
        HWY_DYNAMIC_DISPATCH(repulsion_part)(x, y, count, part, own, own + count, reciprocals == Reciprocals::refined);
  });
  parallel_for(count, 512, [&](int64_t i) {
    float sum_x = 0, sum_y = 0;
    for (int64_t part = 0; part < kRepulsionParts; ++part) {
      sum_x += scratch[2 * part * count + i];
      sum_y += scratch[(2 * part + 1) * count + i];
    }
    force_x[i] = sum_x;
    force_y[i] = sum_y;
  });
  double weight = 0;
  for (const double w : weights) weight += w;
  // Each point met itself with w = 1; points of the padding, which lie in one place, met each other so too.
  const auto points = static_cast<double>(count - padded), pads = static_cast<double>(padded);
  return weight - points - pads * pads;
}

PointRepulsion student_repulsion_of(float px, float py, const float* x, const float* y, int64_t count) {
  float result[3];
  HWY_DYNAMIC_DISPATCH(repulsion_point)(px, py, x, y, count, result);
  return {result[0], result[1], result[2]};
}

}  // namespace fovea::kernels
#endif
