// Part p of the pairs has the groups g ≡ p (mod kGroupParts), each with itself and all groups after it: first the list
// of those that are near and far, then four of its points at a time against the near ones, as in student_repulsion.cpp,
// and all sixteen against the middles of the far ones and back.
#include "fovea/backend/cpu/kernels/student_groups.h"

#include <algorithm>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/student_groups.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/student-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

constexpr int kRows = 4;  // points that meet a group at once

struct Sums {
  float *x, *y;  // forces on all points
  double weight;
};

// Four points from `first` on against the groups of a list: forces on both, twice the weights.
void rows_against(const PointGroups& p, int64_t first, const int32_t* list, int64_t length, Sums& sums) {
  const Floats d;
  for (int part = 0; part < kParts; ++part) {
    Vector x[kRows], y[kRows], force_x[kRows], force_y[kRows], weight[kRows];
    for (int r = 0; r < kRows; ++r) {
      x[r] = hn::Set(d, p.x[first + r]), y[r] = hn::Set(d, p.y[first + r]);
      force_x[r] = force_y[r] = weight[r] = hn::Zero(d);
    }
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = int64_t{list[k]} * 16 + part * kLanes;
      const Vector other_x = hn::LoadU(d, p.x + at), other_y = hn::LoadU(d, p.y + at);
      Vector to_x = hn::LoadU(d, sums.x + at), to_y = hn::LoadU(d, sums.y + at);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vector dx = hn::Sub(x[r], other_x), dy = hn::Sub(y[r], other_y);
        const Vector w = student<false>(dx, dy), square = hn::Mul(w, w);
        weight[r] = hn::Add(weight[r], w);
        force_x[r] = hn::MulAdd(square, dx, force_x[r]);
        force_y[r] = hn::MulAdd(square, dy, force_y[r]);
        to_x = hn::NegMulAdd(square, dx, to_x);
        to_y = hn::NegMulAdd(square, dy, to_y);
      }
      hn::StoreU(to_x, d, sums.x + at);
      hn::StoreU(to_y, d, sums.y + at);
    }
    for (int r = 0; r < kRows; ++r) {
      sums.x[first + r] += hn::GetLane(hn::SumOfLanes(d, force_x[r]));
      sums.y[first + r] += hn::GetLane(hn::SumOfLanes(d, force_y[r]));
      sums.weight += 2.0 * static_cast<double>(hn::GetLane(hn::SumOfLanes(d, weight[r])));
    }
  }
}

// Forces of `points` points in (x, y) on sixteen others.
template <bool kRefined = false>
HWY_INLINE void add_middle(const Sixteen& own_x, const Sixteen& own_y, float x, float y, float points, Sixteen& force_x,
                           Sixteen& force_y, Sixteen& weight) {
  const Floats d;
  const Vector middle_x = hn::Set(d, x), middle_y = hn::Set(d, y), mass = hn::Set(d, points);
#pragma GCC unroll 16
  for (int k = 0; k < kParts; ++k) {
    const Vector dx = hn::Sub(own_x.part[k], middle_x), dy = hn::Sub(own_y.part[k], middle_y);
    const Vector w = student<kRefined>(dx, dy), many = hn::Mul(w, mass), square = hn::Mul(w, many);
    weight.part[k] = hn::Add(weight.part[k], many);
    force_x.part[k] = hn::MulAdd(square, dx, force_x.part[k]);
    force_y.part[k] = hn::MulAdd(square, dy, force_y.part[k]);
  }
}

// The sixteen points of group g against the groups of a list as wholes, and theirs against g as a whole.
void group_against(const PointGroups& p, int64_t g, const int32_t* list, int64_t length, Sums& sums) {
  const Sixteen own_x = load(p.x + g * 16), own_y = load(p.y + g * 16);
  Sixteen force_x = zero(), force_y = zero(), weight = zero();
  for (int64_t k = 0; k < length; ++k) {
    const int64_t h = list[k];
    add_middle(own_x, own_y, p.middle_x[h], p.middle_y[h], p.points[h], force_x, force_y, weight);
    Sixteen back_x = load(sums.x + h * 16), back_y = load(sums.y + h * 16);
    add_middle(load(p.x + h * 16), load(p.y + h * 16), p.middle_x[g], p.middle_y[g], p.points[g], back_x, back_y,
               weight);
    store(back_x, sums.x + h * 16);
    store(back_y, sums.y + h * 16);
  }
  store(add(load(sums.x + g * 16), force_x), sums.x + g * 16);
  store(add(load(sums.y + g * 16), force_y), sums.y + g * 16);
  sums.weight += static_cast<double>(sum(weight));
}

// Sixteen points against each other, each with itself included: its weight of 1 is taken off later, so it has to be 1.
void within_group(const PointGroups& p, int64_t g, Sums& sums) {
  const Sixteen x = load(p.x + g * 16), y = load(p.y + g * 16);
  Sixteen force_x = zero(), force_y = zero(), weight = zero();
  for (int64_t i = g * 16; i < g * 16 + 16; ++i) add_middle<true>(x, y, p.x[i], p.y[i], 1, force_x, force_y, weight);
  store(add(load(sums.x + g * 16), force_x), sums.x + g * 16);
  store(add(load(sums.y + g * 16), force_y), sums.y + g * 16);
  sums.weight += static_cast<double>(sum(weight));
}

// Near groups from the front of the list, far ones from its back. Returns how many are near.
int64_t near_and_far(const PointGroups& p, int64_t g, float theta, int32_t* list) {
  int64_t near = 0, far = p.groups;
  const float x = p.middle_x[g], y = p.middle_y[g], radius = p.radius[g], square = theta * theta;
  for (int64_t h = g + 1; h < p.groups; ++h) {
    const float dx = x - p.middle_x[h], dy = y - p.middle_y[h], reach = radius + p.radius[h];
    const bool apart = reach * reach < square * (dx * dx + dy * dy);
    list[apart ? far - 1 : near] = static_cast<int32_t>(h);
    near += !apart;
    far -= apart;
  }
  return near;
}

double group_part(const PointGroups& p, int64_t part, float theta, float* force_x, float* force_y, int32_t* list) {
  std::fill_n(force_x, p.groups * 16, 0.0f);
  std::fill_n(force_y, p.groups * 16, 0.0f);
  Sums sums{force_x, force_y, 0};
  for (int64_t g = part; g < p.groups; g += kGroupParts) {
    within_group(p, g, sums);
    const int64_t near = near_and_far(p, g, theta, list), far = p.groups - g - 1 - near;
    for (int64_t first = g * 16; first < g * 16 + 16; first += kRows) rows_against(p, first, list, near, sums);
    group_against(p, g, list + p.groups - far, far, sums);
  }
  return sums.weight;
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(group_part);

double student_groups(const PointGroups& p, float theta, float* force_x, float* force_y, float* scratch,
                      int32_t* list) {
  double weights[kGroupParts];
  const int64_t count = p.groups * kGroupPoints;
  parallel_for(kGroupParts, 1, [&](int64_t part) {
    float* own = scratch + 2 * part * count;
    weights[part] = HWY_DYNAMIC_DISPATCH(group_part)(p, part, theta, own, own + count, list + part * p.groups);
  });
  parallel_ranges(2 * count, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float total = 0;
      for (int64_t part = 0; part < kGroupParts; ++part) total += scratch[2 * part * count + i];
      (i < count ? force_x[i] : force_y[i - count]) = total;
    }
  });
  double weight = 0;
  for (const double w : weights) weight += w;
  return weight;
}

}  // namespace fovea::kernels
#endif
