// y = f(x), f(a, b), f(a, b[channel]). sigmoid(x) = 1 / (1 + exp(−x)). NaN goes through every function.
// exp and tanh are Highway's (about one and a few units in the last place); exp overflows to infinity above 88.72.
// gelu, Φ and the error function: kernels/normal-inl.h.
#include "fovea/backend/cpu/kernels/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/elementwise.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/normal-inl.h"
#include "fovea/backend/cpu/kernels/sixteen-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

struct DoCopy {
  HWY_INLINE Vector operator()(Vector x) const { return x; }
};
struct DoRelu {
  HWY_INLINE Vector operator()(Vector x) const { return rectify(x); }
};
struct DoNeg {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Neg(x); }
};
struct DoAbs {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Abs(x); }
};
struct DoSquare {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Mul(x, x); }
};
struct DoSqrt {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Sqrt(x); }
};
struct DoExp {
  HWY_INLINE Vector operator()(Vector x) const { return exponential(x); }
};
struct DoSigmoid {
  HWY_INLINE Vector operator()(Vector x) const {
    const Vector one = hn::Set(Floats(), 1.0f);
    return hn::Div(one, hn::Add(one, exponential(hn::Neg(x))));
  }
};
struct DoTanh {
  HWY_INLINE Vector operator()(Vector x) const { return hn::IfThenElse(is_nan(x), x, hn::Tanh(Floats(), x)); }
};
struct DoErf {
  HWY_INLINE Vector operator()(Vector x) const { return error_function(x); }
};
struct DoGelu {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Mul(x, normal(x).below); }
};
struct DoGeluTanh {
  HWY_INLINE Vector operator()(Vector x) const { return hn::Mul(x, logistic_normal(x).below); }
};

struct DoAdd {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Add(a, b); }
};
struct DoSub {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Sub(a, b); }
};
struct DoReversedSub {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Sub(b, a); }
};
struct DoMul {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Mul(a, b); }
};
struct DoDiv {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Div(a, b); }
};
struct DoReversedDiv {
  HWY_INLINE Vector operator()(Vector a, Vector b) const { return hn::Div(b, a); }
};
struct DoMax {
  HWY_INLINE Vector operator()(Vector a, Vector b) const {
    return hn::IfThenElse(is_nan(a), a, hn::IfThenElse(hn::Gt(a, b), a, b));
  }
};
struct DoMin {
  HWY_INLINE Vector operator()(Vector a, Vector b) const {
    return hn::IfThenElse(is_nan(a), a, hn::IfThenElse(hn::Lt(a, b), a, b));
  }
};
struct DoReluGradient {
  HWY_INLINE Vector operator()(Vector a, Vector b) const {
    return hn::IfThenElseZero(hn::Gt(b, hn::Zero(Floats())), a);
  }
};
struct DoGeluGradient {
  HWY_INLINE Vector operator()(Vector a, Vector b) const {
    const Normal n = normal(b);
    return hn::Mul(a, hn::MulAdd(b, n.density, n.below));
  }
};
struct DoGeluTanhGradient {
  HWY_INLINE Vector operator()(Vector a, Vector b) const {
    const Normal n = logistic_normal(b);
    return hn::Mul(a, hn::MulAdd(b, n.density, n.below));
  }
};

// Calls use(functor) for the one that is named.
template <class Use>
HWY_INLINE void with_unary(Unary f, const Use& use) {
  switch (f) {
    case Unary::copy: return use(DoCopy());
    case Unary::relu: return use(DoRelu());
    case Unary::neg: return use(DoNeg());
    case Unary::abs: return use(DoAbs());
    case Unary::square: return use(DoSquare());
    case Unary::sqrt: return use(DoSqrt());
    case Unary::exp: return use(DoExp());
    case Unary::sigmoid: return use(DoSigmoid());
    case Unary::tanh: return use(DoTanh());
    case Unary::erf: return use(DoErf());
    case Unary::gelu: return use(DoGelu());
    case Unary::gelu_tanh: return use(DoGeluTanh());
  }
}
template <class Use>
HWY_INLINE void with_binary(Binary f, const Use& use) {
  switch (f) {
    case Binary::add: return use(DoAdd());
    case Binary::sub: return use(DoSub());
    case Binary::mul: return use(DoMul());
    case Binary::div: return use(DoDiv());
    case Binary::max: return use(DoMax());
    case Binary::min: return use(DoMin());
    case Binary::relu_gradient: return use(DoReluGradient());
    case Binary::gelu_gradient: return use(DoGeluGradient());
    case Binary::gelu_tanh_gradient: return use(DoGeluTanhGradient());
    case Binary::reversed_sub: return use(DoReversedSub());
    case Binary::reversed_div: return use(DoReversedDiv());
  }
}

// Adapts a function of vectors to sixteen floats.
template <class F>
HWY_INLINE Sixteen on_sixteen(const F& f, const Sixteen& a, const Sixteen& b) {
  Sixteen y;
#pragma GCC unroll 16
  for (int k = 0; k < kParts; ++k) y.part[k] = f(a.part[k], b.part[k]);
  return y;
}

template <class F>
HWY_INLINE void map_unary(const F& f, const float* x, float* y, int64_t count) {
  const Floats d;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, y + i);
  if (i < count) {
    HWY_ALIGN float buffer[kLanes] = {};
    std::memcpy(buffer, x + i, static_cast<size_t>(count - i) * sizeof(float));
    hn::Store(f(hn::Load(d, buffer)), d, buffer);
    std::memcpy(y + i, buffer, static_cast<size_t>(count - i) * sizeof(float));
  }
}

template <class F>
HWY_INLINE void map_binary(const F& f, const float* a, const float* b, float* y, int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) store(on_sixteen(f, load(a + i), load(b + i)), y + i);
  if (i < count) store_part(on_sixteen(f, load_part(a + i, count - i), load_part(b + i, count - i)), y + i, count - i);
}

// y = f(a, p, q) for the units [begin, end) of [outer, channels, inner] in order, each of `lanes` elements.
template <class F>
HWY_INLINE void map_channel(const F& f, const float* a, const float* p, const float* q, float* y,
                            const ChannelView& view, int64_t begin, int64_t end) {
  const int64_t lanes = view.lanes;
  for (int64_t unit = begin; unit < end;) {
    const int64_t channel = unit / view.inner % view.channels;
    const int64_t stop = view.channels == 1 ? end : std::min(end, (unit / view.inner + 1) * view.inner);
    const float *from = a + unit * lanes, *pc = p + channel * lanes, *qc = q + channel * lanes;
    float* to = y + unit * lanes;
    int64_t count = (stop - unit) * lanes, i = 0;
    if (lanes == 1 || lanes == 8 || lanes == 16) {
      const Sixteen pv = lanes == 1 ? broadcast(*pc) : lanes == 16 ? load(pc) : load_part(pc, 8);
      const Sixteen qv = lanes == 1 ? broadcast(*qc) : lanes == 16 ? load(qc) : load_part(qc, 8);
      if (lanes == 8) {
        float twice_p[16], twice_q[16];
        for (int k = 0; k < 16; ++k) twice_p[k] = pc[k % 8], twice_q[k] = qc[k % 8];
        const Sixteen pt = load(twice_p), qt = load(twice_q);
        for (; i + 16 <= count; i += 16) store(f(load(from + i), pt, qt), to + i);
      }
      for (; i + 16 <= count; i += 16) store(f(load(from + i), pv, qv), to + i);
      if (i < count) store_part(f(load_part(from + i, count - i), pv, qv), to + i, count - i);
    } else if (lanes < 16 && count >= lanes * 16) {  // sixteen units are whole vectors
      float ps[16 * 16], qs[16 * 16];
      for (int64_t k = 0; k < lanes * 16; ++k) ps[k] = pc[k % lanes], qs[k] = qc[k % lanes];
      for (int64_t at = 0; i + 16 <= count; i += 16, at = at + 16 == lanes * 16 ? 0 : at + 16)
        store(f(load(from + i), load(ps + at), load(qs + at)), to + i);
      const int64_t k = i % (lanes * 16), rest = count - i;
      if (rest > 0) store_part(f(load_part(from + i, rest), load(ps + k), load(qs + k)), to + i, rest);
    } else {
      for (int64_t u = unit; u < stop; ++u, from += lanes, to += lanes) {
        for (i = 0; i + 16 <= lanes; i += 16) store(f(load(from + i), load(pc + i), load(qc + i)), to + i);
        const int64_t rest = lanes - i;
        if (rest > 0)
          store_part(f(load_part(from + i, rest), load_part(pc + i, rest), load_part(qc + i, rest)), to + i, rest);
      }
    }
    unit = stop;
  }
}

void unary_range(Unary f, const float* x, float* y, int64_t count) {
  with_unary(f, [&](auto function) HWY_ATTR { map_unary(function, x, y, count); });
}
void binary_range(Binary f, const float* a, const float* b, float* y, int64_t count) {
  with_binary(f, [&](auto function) HWY_ATTR { map_binary(function, a, b, y, count); });
}

template <class F>
struct IgnoreSecond {
  F f;
  HWY_INLINE Sixteen operator()(const Sixteen& a, const Sixteen& p, const Sixteen&) const {
    return on_sixteen(f, a, p);
  }
};
template <bool kRectify>
struct Affine {
  HWY_INLINE Sixteen operator()(const Sixteen& x, const Sixteen& scale, const Sixteen& shift) const {
    const Sixteen y = mul_add(x, scale, shift);
    return kRectify ? rectify(y) : y;
  }
};

void binary_channel_range(Binary f, const float* a, const float* b, float* y, const ChannelView& view, int64_t begin,
                          int64_t end) {
  with_binary(f, [&](auto function) HWY_ATTR {
    map_channel(IgnoreSecond<decltype(function)>{function}, a, b, b, y, view, begin, end);
  });
}
// a where b > 0, else 0, rounded to nearest even; NaN stays NaN.
void relu_gradient_bf16_range(const float* a, const float* b, uint16_t* y, int64_t count) {
  const Floats d;
  const hn::Rebind<uint32_t, Floats> bits;
  const hn::Rebind<uint16_t, Floats> half;
  const auto rounded = [&](Vector value) HWY_ATTR {
    const auto u = hn::BitCast(bits, value);
    const auto even = hn::Add(hn::Add(u, hn::Set(bits, 0x7fffu)), hn::And(hn::ShiftRight<16>(u), hn::Set(bits, 1u)));
    const auto quiet = hn::Or(u, hn::Set(bits, 0x400000u));
    const auto kept = hn::IfThenElse(hn::RebindMask(bits, is_nan(value)), quiet, even);
    return hn::DemoteTo(half, hn::BitCast(hn::Rebind<int32_t, Floats>(), hn::ShiftRight<16>(kept)));
  };
  const DoReluGradient f;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(rounded(f(hn::LoadU(d, a + i), hn::LoadU(d, b + i))), half, y + i);
  if (i == count) return;
  float from[2][kLanes] = {};
  uint16_t to[kLanes];
  std::copy_n(a + i, count - i, from[0]);
  std::copy_n(b + i, count - i, from[1]);
  hn::StoreU(rounded(f(hn::LoadU(d, from[0]), hn::LoadU(d, from[1]))), half, to);
  std::copy_n(to, count - i, y + i);
}
void affine_range(const float* x, const float* scale, const float* shift, float* y, const ChannelView& view,
                  bool rectify_result, int64_t begin, int64_t end) {
  if (rectify_result) map_channel(Affine<true>(), x, scale, shift, y, view, begin, end);
  else map_channel(Affine<false>(), x, scale, shift, y, view, begin, end);
}

// One row of a broadcast: `steps` as BroadcastAxis has them.
void broadcast_row(Binary f, Binary exchanged, const float* a, const float* b, float* y, const BroadcastAxis& row) {
  const ChannelView view{1, 1, row.size, 1};
  if (row.step_a == 1 && row.step_b == 1) binary_range(f, a, b, y, row.size);
  else if (row.step_a == 1) binary_channel_range(f, a, b, y, view, 0, row.size);
  else binary_channel_range(exchanged, b, a, y, view, 0, row.size);
}

struct WholePower {
  int exponent;  // its size
  bool inverse;
  HWY_INLINE Vector operator()(Vector x) const {
    const Vector one = hn::Set(Floats(), 1.0f);
    Vector result = one;
    for (int rest = exponent; rest > 0; rest >>= 1) {
      if (rest & 1) result = hn::Mul(result, x);
      x = hn::Mul(x, x);
    }
    return inverse ? hn::Div(one, result) : result;
  }
};
struct RealPower {
  float exponent;
  HWY_INLINE Vector operator()(Vector x) const {
    const Floats d;
    const Vector nought = hn::Zero(d), infinity = hn::Set(d, std::numeric_limits<float>::infinity());
    const Vector inside = hn::Mul(hn::Set(d, exponent), hn::Log(d, x));
    Vector y = exponential(inside);
    y = hn::IfThenElse(hn::Eq(x, nought), exponent > 0 ? nought : infinity, y);
    y = hn::IfThenElse(hn::Eq(hn::Abs(x), infinity), exponent > 0 ? infinity : nought, y);
    const Vector nan = hn::Set(d, std::numeric_limits<float>::quiet_NaN());
    const auto below = hn::And(hn::Lt(x, nought), hn::Ne(x, hn::Neg(infinity)));
    return hn::IfThenElse(is_nan(x), x, hn::IfThenElse(below, nan, y));
  }
};

void power_range(const float* x, float exponent, float* y, int64_t count) {
  const float size = std::abs(exponent);
  if (size <= 64 && size == std::floor(size)) map_unary(WholePower{static_cast<int>(size), exponent < 0}, x, y, count);
  else map_unary(RealPower{exponent}, x, y, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(unary_range);
HWY_EXPORT(binary_range);
HWY_EXPORT(binary_channel_range);
HWY_EXPORT(relu_gradient_bf16_range);
HWY_EXPORT(affine_range);
HWY_EXPORT(broadcast_row);
HWY_EXPORT(power_range);

namespace {

constexpr int64_t kGrain = 8192;  // floats a thread must have to be worth waking
constexpr int64_t kLine = 64;     // parts begin at whole lines

// Calls body(begin, end) on parts of [0, count), each beginning at a multiple of kLine.
template <class Body>
void in_parts(int64_t count, int64_t grain, const Body& body) {
  parallel_ranges((count + kLine - 1) / kLine, grain / kLine,
                  [&](int64_t begin, int64_t end) { body(begin * kLine, std::min(count, end * kLine)); });
}

// Calls body(begin, end) on parts of the view's units. One picture is divided by position, all channels to each thread,
// as the convolutions around it are: a thread then finds what it wrote itself in its own cache.
template <class Body>
void in_unit_parts(const ChannelView& view, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(view.lanes, 1));
  if (view.outer > 1) {
    parallel_ranges(view.outer * view.channels * view.inner, grain, body);
    return;
  }
  parallel_ranges(view.inner, std::max<int64_t>(1, grain / view.channels), [&](int64_t begin, int64_t end) {
    for (int64_t channel = 0; channel < view.channels; ++channel)
      body(channel * view.inner + begin, channel * view.inner + end);
  });
}

}  // namespace

void unary(Unary f, const float* x, float* y, int64_t count) {
  const bool heavy = f == Unary::exp || f >= Unary::sigmoid;
  in_parts(count, heavy ? kGrain / 4 : kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(unary_range)(f, x + begin, y + begin, end - begin);
  });
}

void binary(Binary f, const float* a, const float* b, float* y, int64_t count) {
  const bool heavy = f == Binary::gelu_gradient || f == Binary::gelu_tanh_gradient;
  in_parts(count, heavy ? kGrain / 4 : kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(binary_range)(f, a + begin, b + begin, y + begin, end - begin);
  });
}

void relu_gradient_bf16(const float* a, const float* b, uint16_t* y, int64_t count) {
  in_parts(count, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(relu_gradient_bf16_range)(a + begin, b + begin, y + begin, end - begin);
  });
}

void binary_channel(Binary f, const float* a, const float* b, float* y, const ChannelView& view) {
  in_unit_parts(view, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(binary_channel_range)(f, a, b, y, view, begin, end);
  });
}

void channel_affine(const float* x, const float* scale, const float* shift, float* y, const ChannelView& view,
                    bool rectify) {
  in_unit_parts(view, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(affine_range)(x, scale, shift, y, view, rectify, begin, end);
  });
}

void binary_broadcast(Binary f, Binary exchanged, const float* a, const float* b, float* y,
                      std::span<const BroadcastAxis> axes) {
  const BroadcastAxis row = axes.back();
  int64_t rows = 1;
  for (size_t k = 0; k + 1 < axes.size(); ++k) rows *= axes[k].size;
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(row.size, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t rest = r, from_a = 0, from_b = 0;
      for (size_t k = axes.size() - 1; k-- > 0;) {
        const int64_t at = rest % axes[k].size;
        rest /= axes[k].size;
        from_a += at * axes[k].step_a;
        from_b += at * axes[k].step_b;
      }
      HWY_DYNAMIC_DISPATCH(broadcast_row)(f, exchanged, a + from_a, b + from_b, y + r * row.size, row);
    }
  });
}

void power(const float* x, float exponent, float* y, int64_t count) {
  in_parts(count, kGrain / 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(power_range)(x + begin, exponent, y + begin, end - begin);
  });
}

}  // namespace fovea::kernels
#endif
