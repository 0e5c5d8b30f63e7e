// y[o,i] = scale · Σ_r x[o,r,i]
// Extremes and their gradients: sixteen neighbours at a time, or, where inner = 1, sixteen reduced ones and the rest.
// Sums with inner = 1: pieces of kPiece elements, sixteen lanes each; inner > 1: sixteen neighbours at a time, pieces
// of kRows rows.
#include "fovea/backend/cpu/kernels/reduce.h"

#include <algorithm>
#include <vector>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/reduce.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

constexpr int64_t kRows = 256;

float sum_piece(const float* x, int64_t count) {
  Sixteen total[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) total[k] = add(total[k], load(x + i + k * 16));
  for (; i + 16 <= count; i += 16) total[0] = add(total[0], load(x + i));
  if (i < count) total[1] = add(total[1], load_part(x + i, count - i));
  return sum(add(add(total[0], total[1]), add(total[2], total[3])));
}

// Sixteen (or `count`) neighbouring columns.
void sum_columns(const float* x, float* y, int64_t reduced, int64_t inner, int64_t count, double scale) {
  double total[16] = {};
  for (int64_t begin = 0; begin < reduced; begin += kRows) {
    const int64_t end = std::min(reduced, begin + kRows);
    Sixteen piece = zero();
    if (count == 16)
      for (int64_t r = begin; r < end; ++r) piece = add(piece, load(x + r * inner));
    else
      for (int64_t r = begin; r < end; ++r) piece = add(piece, load_part(x + r * inner, count));
    float values[16];
    store(piece, values);
    for (int k = 0; k < 16; ++k) total[k] += static_cast<double>(values[k]);
  }
  for (int64_t k = 0; k < count; ++k) y[k] = static_cast<float>(total[k] * scale);
}

// The larger of two, or the smaller; NaN where either is.
template <bool kLargest>
HWY_INLINE Sixteen extreme(const Sixteen& a, const Sixteen& b) {
  return each([&](int k) HWY_ATTR {
    const auto better = kLargest ? hn::Gt(a.part[k], b.part[k]) : hn::Lt(a.part[k], b.part[k]);
    return hn::IfThenElse(hn::Or(better, is_nan(a.part[k])), a.part[k], b.part[k]);
  });
}

// Of a row of `count` floats.
template <bool kLargest>
HWY_INLINE float extreme_of_row(const float* x, int64_t count) {
  Sixteen best = broadcast(x[0]);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) best = extreme<kLargest>(best, load(x + i));
  float lanes[16];
  store(best, lanes);
  float result = lanes[0];
  const auto take = [&](float v) { result = result != result || (kLargest ? result > v : result < v) ? result : v; };
  for (int k = 1; k < 16; ++k) take(lanes[k]);
  for (; i < count; ++i) take(x[i]);
  return result;
}

// Sixteen (or `count`) neighbouring columns.
template <bool kLargest>
HWY_INLINE void extreme_of_columns(const float* x, float* y, int64_t reduced, int64_t inner, int64_t count) {
  const auto row = [&](int64_t r)
                       HWY_ATTR { return count == 16 ? load(x + r * inner) : load_part(x + r * inner, count); };
  Sixteen best = row(0);
  for (int64_t r = 1; r < reduced; ++r) best = extreme<kLargest>(best, row(r));
  store_part(best, y, count);
}

void extreme_piece(const float* x, float* y, int64_t reduced, int64_t inner, int64_t count, bool largest) {
  if (inner == 1) *y = largest ? extreme_of_row<true>(x, reduced) : extreme_of_row<false>(x, reduced);
  else if (largest) extreme_of_columns<true>(x, y, reduced, inner, count);
  else extreme_of_columns<false>(x, y, reduced, inner, count);
}

// x's own lanes of one where they equal y, else 0.
HWY_INLINE Sixteen where_equal(const Sixteen& x, const Sixteen& y, const Sixteen& value) {
  return each([&](int k) HWY_ATTR { return hn::IfThenElseZero(hn::Eq(x.part[k], y.part[k]), value.part[k]); });
}

void extreme_gradient_of_row(const float* d, const float* x, const float* y, float* dx, int64_t count) {
  int64_t ties = 0;
  for (int64_t i = 0; i < count; ++i) ties += x[i] == *y;
  const float share = ties > 0 ? *d / static_cast<float>(ties) : 0.0f;
  const Sixteen shares = broadcast(share), best = broadcast(*y);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) store(where_equal(load(x + i), best, shares), dx + i);
  for (; i < count; ++i) dx[i] = x[i] == *y ? share : 0.0f;
}

void extreme_gradient_piece(const float* d, const float* x, const float* y, float* dx, int64_t reduced, int64_t inner,
                            int64_t count) {
  if (inner == 1) return extreme_gradient_of_row(d, x, y, dx, reduced);
  const auto get = [&](const float* from) HWY_ATTR { return count == 16 ? load(from) : load_part(from, count); };
  const Sixteen best = get(y), one = broadcast(1.0f);
  Sixteen ties = zero();
  for (int64_t r = 0; r < reduced; ++r) ties = add(ties, where_equal(get(x + r * inner), best, one));
  const Sixteen given = get(d);
  const Sixteen share = each([&](int k) HWY_ATTR { return hn::Div(given.part[k], ties.part[k]); });
  for (int64_t r = 0; r < reduced; ++r) {
    const Sixteen result = where_equal(get(x + r * inner), best, share);
    if (count == 16) store(result, dx + r * inner);
    else store_part(result, dx + r * inner, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(sum_piece);
HWY_EXPORT(sum_columns);
HWY_EXPORT(extreme_piece);
HWY_EXPORT(extreme_gradient_piece);

namespace {

// Calls body(place in x, place in y, columns) for sixteen columns of [outer, reduced, inner] at a time.
template <class Body>
void for_each_column(int64_t outer, int64_t reduced, int64_t inner, const Body& body) {
  const int64_t groups = (inner + 15) / 16, grain = inner == 1 ? 8192 : 512;
  parallel_for(outer * groups, std::max<int64_t>(1, grain / std::max<int64_t>(reduced, 1)), [&](int64_t k) {
    const int64_t o = k / groups, first = k % groups * 16;
    body(o * reduced * inner + first, o * inner + first, std::min<int64_t>(16, inner - first));
  });
}

}  // namespace

void reduce_extreme(const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner, bool largest) {
  for_each_column(outer, reduced, inner, [&](int64_t from, int64_t to, int64_t count) {
    HWY_DYNAMIC_DISPATCH(extreme_piece)(x + from, y + to, reduced, inner, count, largest);
  });
}

void reduce_extreme_gradient(const float* d, const float* x, const float* y, float* dx, int64_t outer, int64_t reduced,
                             int64_t inner) {
  for_each_column(outer, reduced, inner, [&](int64_t from, int64_t to, int64_t count) {
    HWY_DYNAMIC_DISPATCH(extreme_gradient_piece)
    (d + to, x + from, y + to, dx + from, reduced, inner, count);
  });
}

void reduce_sum(const float* x, float* y, int64_t outer, int64_t reduced, int64_t inner, double scale) {
  constexpr int64_t kPiece = 8192;
  if (inner == 1) {
    const int64_t pieces = (reduced + kPiece - 1) / kPiece;
    if (pieces <= 1) {
      parallel_for(outer, std::max<int64_t>(1, kPiece / std::max<int64_t>(reduced, 1)), [&](int64_t o) {
        const double sum = static_cast<double>(HWY_DYNAMIC_DISPATCH(sum_piece)(x + o * reduced, reduced));
        y[o] = static_cast<float>(sum * scale);
      });
      return;
    }
    std::vector<float> sums(static_cast<size_t>(outer * pieces));
    parallel_for(outer * pieces, 2, [&](int64_t k) {
      const int64_t begin = k % pieces * kPiece;
      sums[static_cast<size_t>(k)] =
          HWY_DYNAMIC_DISPATCH(sum_piece)(x + k / pieces * reduced + begin, std::min(kPiece, reduced - begin));
    });
    for (int64_t o = 0; o < outer; ++o) {
      double sum = 0;
      for (int64_t k = 0; k < pieces; ++k) sum += static_cast<double>(sums[static_cast<size_t>(o * pieces + k)]);
      y[o] = static_cast<float>(sum * scale);
    }
    return;
  }
  for_each_column(outer, reduced, inner, [&](int64_t from, int64_t to, int64_t count) {
    HWY_DYNAMIC_DISPATCH(sum_columns)(x + from, y + to, reduced, inner, count, scale);
  });
}

}  // namespace fovea::kernels
#endif
