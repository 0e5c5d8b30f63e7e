// y[p] = max_k x[p·stride − pad + k·dilation], switches[p] = where it was; x[switches[p]] += d[p].
// Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
#include "fovea/backend/cpu/kernels/switches.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/switches.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

using Positions = hn::Rebind<int32_t, Floats>;

// The window's part inside the input: taps [begin, end) along an axis.
struct Span {
  int64_t begin, end, first;
};
HWY_INLINE Span clip(int64_t output, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation, int64_t size) {
  const int64_t start = output * stride - pad;
  const int64_t begin = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const int64_t end = start >= size ? 0 : std::min(kernel, (size - 1 - start) / dilation + 1);
  return {std::min(begin, end), end, start};
}

// kLanes elements of one window. `x_step` is the distance of their first elements' memory: 1 when they are lanes of a
// pixel. A maximum is replaced by a greater value or by the first NaN.
template <bool kWantSwitches, class Load>
HWY_INLINE void window(const PoolShape& s, const Span& rows, const Span& columns, const Load& load_at, float* y,
                       int32_t* switches) {
  const Floats d;
  const Positions di;
  Vector best = hn::Set(d, -std::numeric_limits<float>::infinity());
  // Where nothing is greater than −∞, the first position stands.
  const int64_t origin = std::max<int64_t>(
      0, (rows.first + rows.begin * s.dilation_y) * s.width + columns.first + columns.begin * s.dilation_x);
  auto where = hn::Set(di, static_cast<int32_t>(origin));
  for (int64_t ky = rows.begin; ky < rows.end; ++ky)
    for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
      const int64_t at = (rows.first + ky * s.dilation_y) * s.width + columns.first + kx * s.dilation_x;
      const Vector value = load_at(at);
      const auto better = hn::And(hn::Or(hn::Gt(value, best), is_nan(value)), hn::Eq(best, best));
      best = hn::IfThenElse(better, value, best);
      if constexpr (kWantSwitches)
        where = hn::IfThenElse(hn::RebindMask(di, better), hn::Set(di, static_cast<int32_t>(at)), where);
    }
  if (rows.begin >= rows.end || columns.begin >= columns.end) {
    best = hn::Set(d, std::numeric_limits<float>::lowest());
    where = hn::Zero(di);
  }
  hn::StoreU(best, d, y);
  if constexpr (kWantSwitches) hn::StoreU(where, di, switches);
}

// One element, as `window`.
HWY_INLINE void one_window(const PoolShape& s, const Span& rows, const Span& columns, const float* x, float* y,
                           int32_t* switches) {
  float best = std::numeric_limits<float>::lowest();
  int64_t where = -1;
  for (int64_t ky = rows.begin; ky < rows.end; ++ky)
    for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
      const int64_t at = (rows.first + ky * s.dilation_y) * s.width + columns.first + kx * s.dilation_x;
      const float value = x[at * s.lanes];
      if (where < 0 || value > best || (value != value && best == best)) best = value, where = at;
    }
  *y = best;
  if (switches) *switches = static_cast<int32_t>(std::max<int64_t>(where, 0));
}

// Rows [begin, end) of [planes, out_height].
template <bool kWantSwitches>
void pool_rows(const PoolShape& s, const float* x, float* y, int32_t* switches, int64_t begin, int64_t end) {
  const Floats d;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t plane = index / s.out_height, row = index % s.out_height;
    const float* from = x + plane * s.height * s.width * s.lanes;
    const Span rows = clip(row, s.stride_y, s.pad_top, s.kernel_height, s.dilation_y, s.height);
    for (int64_t column = 0; column < s.out_width;) {
      const Span columns = clip(column, s.stride_x, s.pad_left, s.kernel_width, s.dilation_x, s.width);
      const int64_t to = (index * s.out_width + column) * s.lanes;
      int32_t* to_switch = kWantSwitches ? switches + to : nullptr;
      int64_t lane = 0;
      for (; lane + kLanes <= s.lanes; lane += kLanes)
        window<kWantSwitches>(
            s, rows, columns, [&](int64_t at) HWY_ATTR { return hn::LoadU(d, from + at * s.lanes + lane); },
            y + to + lane, kWantSwitches ? to_switch + lane : nullptr);
      for (; lane < s.lanes; ++lane)
        one_window(s, rows, columns, from + lane, y + to + lane, kWantSwitches ? to_switch + lane : nullptr);
      ++column;
    }
  }
}

// The first of up to `left` windows of a plain row that lie inside as a whole, less than a vector of them: their
// number. The lanes beyond repeat the last one. A single window where that is all.
template <bool kWantSwitches>
HWY_INLINE int64_t some_windows(const PoolShape& s, const Span& rows, const Span& columns, const float* from,
                                int64_t left, float* y, int32_t* switches) {
  const Floats d;
  const Positions di;
  const int64_t room = s.width - 1 - columns.first - (s.kernel_width - 1) * s.dilation_x;
  const int64_t count = columns.first < 0 || room < 0 || rows.begin >= rows.end
                            ? 1
                            : std::min({left, room / s.stride_x + 1, int64_t{kLanes}});
  if (count < 4) {
    one_window(s, rows, columns, from, y, switches);
    return 1;
  }
  const auto stride = static_cast<int32_t>(s.stride_x), last = static_cast<int32_t>((count - 1) * s.stride_x);
  const auto ramp = hn::Min(hn::Mul(hn::Iota(di, 0), hn::Set(di, stride)), hn::Set(di, last));
  float values[kLanes];
  int32_t positions[kLanes];
  window<kWantSwitches>(
      s, rows, columns, [&](int64_t at) HWY_ATTR { return hn::GatherIndex(d, from + at, ramp); }, values, positions);
  std::copy_n(values, count, y);
  if constexpr (kWantSwitches) {
    hn::StoreU(hn::Add(hn::LoadU(di, positions), ramp), di, positions);
    std::copy_n(positions, count, switches);
  }
  return count;
}

// Neighbouring pairs, two rows of them: the usual 2×2 windows without gathering. Reads 2 · kLanes floats of each row.
// Writes `count` results, or a whole vector where there is room for one: what follows is then yet to be written.
template <bool kWantSwitches>
HWY_INLINE void pair_windows(const PoolShape& s, const Span& rows, const Span& columns, const float* from,
                             int64_t count, int64_t room, float* y, int32_t* switches) {
  const Floats d;
  const Positions di;
  const int64_t corner = rows.first * s.width + columns.first;
  Vector taps[4];
  hn::LoadInterleaved2(d, from + corner, taps[0], taps[1]);
  hn::LoadInterleaved2(d, from + corner + s.width, taps[2], taps[3]);
  float values[kLanes];
  int32_t positions[kLanes];
  const bool whole = room >= kLanes;
  float* const to = whole ? y : values;
  int32_t* const to_switch = whole ? switches : positions;
  window<kWantSwitches>(
      s, rows, columns,
      [&](int64_t at) HWY_ATTR {
        const int64_t k = at - corner;
        return taps[k < 2 ? k : k - s.width + 2];
      },
      to, to_switch);
  if constexpr (kWantSwitches)
    hn::StoreU(hn::Add(hn::LoadU(di, to_switch), hn::Add(hn::Iota(di, 0), hn::Iota(di, 0))), di, to_switch);
  if (whole) return;
  for (int64_t k = 0; k < count; ++k) y[k] = values[k];
  if constexpr (kWantSwitches)
    for (int64_t k = 0; k < count; ++k) switches[k] = positions[k];
}

// Rows of plain planes. Where whole vectors of windows lie inside, consecutive windows share a vector: their positions
// are base + stride · lane, so values are gathered and switches offset by the same ramp.
template <bool kWantSwitches>
void pool_plain_rows(const PoolShape& s, const float* x, float* y, int32_t* switches, int64_t begin, int64_t end) {
  const Floats d;
  const Positions di;
  const auto ramp = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(s.stride_x)));
  const int64_t reach = (s.kernel_width - 1) * s.dilation_x;
  const bool two_by_two = s.kernel_width == 2 && s.kernel_height == 2 && s.stride_x == 2 && s.dilation_x == 1 &&
                          s.dilation_y == 1 && s.width >= 4;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t plane = index / s.out_height, row = index % s.out_height;
    const float* from = x + plane * s.height * s.width;
    const Span rows = clip(row, s.stride_y, s.pad_top, s.kernel_height, s.dilation_y, s.height);
    for (int64_t column = 0; column < s.out_width;) {
      const Span columns = clip(column, s.stride_x, s.pad_left, s.kernel_width, s.dilation_x, s.width);
      const int64_t to = index * s.out_width + column;
      int32_t* to_switch = kWantSwitches ? switches + to : nullptr;
      const int64_t start = rows.first * s.width + columns.first + s.width + 2 * kLanes;
      const bool pairs = two_by_two && columns.first >= 0 && rows.end - rows.begin == 2 && columns.end == 2 &&
                         start <= (s.planes - plane) * s.height * s.width;
      if (pairs) {
        const int64_t count = std::min({s.out_width - column, (s.width - columns.first) / 2, int64_t{kLanes}});
        pair_windows<kWantSwitches>(s, rows, columns, from, count, end * s.out_width - to, y + to, to_switch);
        column += count;
        continue;
      }
      const bool inside = columns.first >= 0 && columns.first + (kLanes - 1) * s.stride_x + reach < s.width &&
                          column + kLanes <= s.out_width && rows.begin < rows.end;
      if (!inside) {
        column += some_windows<kWantSwitches>(s, rows, columns, from, s.out_width - column, y + to, to_switch);
        continue;
      }
      window<kWantSwitches>(
          s, rows, columns,
          [&](int64_t at)
              HWY_ATTR { return s.stride_x == 1 ? hn::LoadU(d, from + at) : hn::GatherIndex(d, from + at, ramp); },
          y + to, to_switch);
      if constexpr (kWantSwitches) hn::StoreU(hn::Add(hn::LoadU(di, to_switch), ramp), di, to_switch);
      column += kLanes;
    }
  }
}

// The answers of one window: d where the switch is `at`, else 0. (0 + d: −0 becomes 0, as in a sum.)
HWY_INLINE Vector taken(Vector d, hn::Vec<Positions> switches, hn::Vec<Positions> at) {
  const Floats df;
  return hn::Add(hn::IfThenElseZero(hn::RebindMask(df, hn::Eq(switches, at)), d), hn::Zero(df));
}

// Windows of 2×2 side by side: rows [begin, end) of [planes, out_height], each element of x written once. False where a
// switch lies outside of its window; x is then of no use.
bool unpool_pairs(const UnpoolShape& s, const float* d, const int32_t* switches, float* x, int64_t begin, int64_t end) {
  const Floats df;
  const Positions di;
  bool all = true;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t plane = index / s.out_height, top = index % s.out_height * 2;
    float* const upper = x + (plane * s.height + top) * s.width * s.lanes;
    float* const lower = upper + s.width * s.lanes;
    const int64_t row = index * s.out_width * s.lanes;
    // Elements that fill no vector, one by one, into zeros.
    if ((s.lanes == 1 ? s.out_width : s.lanes) % kLanes != 0) std::fill_n(upper, 2 * s.width * s.lanes, 0.0f);
    float* const whole_plane = x + plane * s.height * s.width * s.lanes;
    const auto one = [&](int64_t column, int64_t lane) {
      const int64_t from = row + column * s.lanes + lane, at = switches[from];
      const auto beyond = static_cast<uint64_t>(at - top * s.width - column * 2);
      // Which of the four it is cannot be foretold: no branch for each.
      if (static_cast<int>(beyond < 2) | static_cast<int>(beyond - static_cast<uint64_t>(s.width) < 2))
        whole_plane[at * s.lanes + lane] = d[from] + 0.0f;
      else all = false;
    };
    auto strays = hn::FirstN(di, 0);
    const auto whole = [&](int64_t from, hn::Vec<Positions> corner, Vector* taps) HWY_ATTR {
      const Vector value = hn::LoadU(df, d + from);
      const auto at = hn::LoadU(di, switches + from);
      const auto below = hn::Add(corner, hn::Set(di, static_cast<int32_t>(s.width)));
      const hn::Vec<Positions> tap[] = {corner, hn::Add(corner, hn::Set(di, 1)), below, hn::Add(below, hn::Set(di, 1))};
      for (int k = 0; k < 4; ++k) taps[k] = taken(value, at, tap[k]);
      const auto found =
          hn::Or(hn::Or(hn::Eq(at, tap[0]), hn::Eq(at, tap[1])), hn::Or(hn::Eq(at, tap[2]), hn::Eq(at, tap[3])));
      strays = hn::Or(strays, hn::Not(found));
    };
    int64_t column = 0;
    Vector taps[4];
    if (s.lanes == 1) {
      for (; column + kLanes <= s.out_width; column += kLanes) {
        const auto first = hn::Iota(di, static_cast<int32_t>(column));
        whole(row + column, hn::Add(hn::Add(first, first), hn::Set(di, static_cast<int32_t>(top * s.width))), taps);
        hn::StoreInterleaved2(taps[0], taps[1], df, upper + column * 2);
        hn::StoreInterleaved2(taps[2], taps[3], df, lower + column * 2);
      }
    }
    for (; column < s.out_width; ++column) {
      int64_t lane = 0;
      const auto corner = hn::Set(di, static_cast<int32_t>(top * s.width + column * 2));
      for (; lane + kLanes <= s.lanes; lane += kLanes) {
        whole(row + column * s.lanes + lane, corner, taps);
        const int64_t to = column * 2 * s.lanes + lane;
        hn::StoreU(taps[0], df, upper + to);
        hn::StoreU(taps[1], df, upper + to + s.lanes);
        hn::StoreU(taps[2], df, lower + to);
        hn::StoreU(taps[3], df, lower + to + s.lanes);
      }
      for (; lane < s.lanes; ++lane) one(column, lane);
    }
    if (s.width > s.out_width * 2) {  // a last column that no window has
      std::fill_n(upper + s.out_width * 2 * s.lanes, s.lanes, 0.0f);
      std::fill_n(lower + s.out_width * 2 * s.lanes, s.lanes, 0.0f);
    }
    if (s.height > s.out_height * 2 && top + 2 == s.out_height * 2)
      std::fill_n(lower + s.width * s.lanes, s.width * s.lanes, 0.0f);
    all = all && hn::AllFalse(di, strays);
  }
  return all;
}

void max_pool_range(const PoolShape& s, const float* x, float* y, int32_t* switches, int64_t begin, int64_t end) {
  if (s.lanes == 1) {
    if (switches) pool_plain_rows<true>(s, x, y, switches, begin, end);
    else pool_plain_rows<false>(s, x, y, nullptr, begin, end);
  } else {
    if (switches) pool_rows<true>(s, x, y, switches, begin, end);
    else pool_rows<false>(s, x, y, nullptr, begin, end);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(max_pool_range);
HWY_EXPORT(unpool_pairs);

namespace {

int64_t grain(int64_t floats) { return std::max<int64_t>(1, 8192 / std::max<int64_t>(floats, 1)); }

// Calls body(plane, first lane, end lane) for all planes, cut into groups of at most 16 lanes.
template <class Body>
void for_planes(int64_t planes, int64_t lanes, int64_t work, const Body& body) {
  const int64_t groups = (lanes + 15) / 16;
  parallel_for(planes * groups, grain(work * std::min<int64_t>(lanes, 16)), [&](int64_t i) {
    const int64_t first = i % groups * 16;
    body(i / groups, first, std::min(first + 16, lanes));
  });
}

}  // namespace

void max_pool(const PoolShape& s, const float* x, float* y, int32_t* switches) {
  parallel_ranges(s.planes * s.out_height, grain(s.out_width * s.lanes * s.kernel_height * s.kernel_width / 4),
                  [&](int64_t begin, int64_t end) {
                    HWY_DYNAMIC_DISPATCH(max_pool_range)(s, x, y, switches, begin, end);
                  });
}

void unpool(const UnpoolShape& s, const float* d, const int32_t* switches, float* x) {
  const int64_t positions = s.out_height * s.out_width, size = s.height * s.width, lanes = s.lanes;
  const bool wide = lanes == 1 ? s.out_width >= 16 : lanes >= 8;  // there are vectors to fill
  if (wide && s.height / 2 == s.out_height && s.width / 2 == s.out_width && s.out_height > 0) {
    std::atomic<bool> all = true;
    parallel_ranges(s.planes * s.out_height, grain(s.width * 2 * lanes), [&](int64_t begin, int64_t end) {
      if (!HWY_DYNAMIC_DISPATCH(unpool_pairs)(s, d, switches, x, begin, end)) all = false;
    });
    if (all) return;
  }
  for_planes(s.planes, lanes, size + positions, [&](int64_t plane, int64_t first, int64_t end) {
    float* to = x + plane * size * lanes;
    if (end - first == lanes) {
      std::fill(to, to + size * lanes, 0.0f);
    } else {
      for (int64_t p = 0; p < size; ++p) std::fill(to + p * lanes + first, to + p * lanes + end, 0.0f);
    }
    for (int64_t p = 0; p < positions; ++p) {
      const int64_t from = (plane * positions + p) * lanes;
      for (int64_t lane = first; lane < end; ++lane) {
        const int64_t at = switches[from + lane];
        if (at >= 0 && at < size) to[at * lanes + lane] += d[from + lane];
      }
    }
  });
}

void take_switches(const float* x, const int32_t* switches, float* y, int64_t planes, int64_t positions, int64_t size,
                   int64_t lanes) {
  for_planes(planes, lanes, positions, [&](int64_t plane, int64_t first, int64_t end) {
    const float* from = x + plane * size * lanes;
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t lane = first; lane < end; ++lane) {
        const int64_t to = (plane * positions + p) * lanes + lane, at = switches[to];
        y[to] = at >= 0 && at < size ? from[at * lanes + lane] : 0.0f;
      }
  });
}

}  // namespace fovea::kernels
#endif
