// y[r,o] = Σ_i x[r,i] · w[o,i] + bias[o]
// Each thread walks several rows of w, far apart from each other, at once and asks for lines ahead: one sequential
// stream leaves a third of the memory's bandwidth unused. Lane l of sixteen sums the products i ≡ l (mod 16) in order
// of i; the lanes are added pairwise.
#include "fovea/backend/cpu/kernels/gemm_rows.h"

#include <algorithm>
#include <bit>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/gemm_rows.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

constexpr int64_t kAhead = 512;  // bytes asked for in advance, on each stream

HWY_INLINE Sixteen load_weights(const float* from) { return load(from); }
HWY_INLINE Sixteen load_weights(const uint16_t* from) {
  const hn::Rebind<uint32_t, Floats> wide;
  const hn::Rebind<uint16_t, Floats> narrow;
  return each([&](int k) HWY_ATTR {
    return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(wide, hn::LoadU(narrow, from + k * kLanes))));
  });
}

struct Product {
  const float *x, *bias;
  float* y;
  int64_t inputs, outputs;
  bool rectify;
};

// Outputs o[0..kStreams) of kRows rows.
template <int kStreams, int kRows, class Weight>
HWY_NOINLINE void few_outputs(const Product& p, const Weight* w, const int64_t* outputs) {
  Sixteen total[kRows][kStreams];
  const Weight* row[kStreams];
#pragma GCC unroll 16
  for (int s = 0; s < kStreams; ++s) {
    row[s] = w + outputs[s] * p.inputs;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) total[r][s] = zero();
  }
  constexpr int64_t kStep = 64 / sizeof(Weight);  // one line of each stream
  const int64_t whole = p.inputs / kStep * kStep;
  int64_t i = 0;
  for (; i < whole; i += kStep) {
#pragma GCC unroll 16
    for (int s = 0; s < kStreams; ++s) hwy::Prefetch(row[s] + i + kAhead / static_cast<int64_t>(sizeof(Weight)));
#pragma GCC unroll 2
    for (int64_t part = 0; part < kStep; part += 16) {
      Sixteen x[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) x[r] = load(p.x + r * p.inputs + i + part);
#pragma GCC unroll 16
      for (int s = 0; s < kStreams; ++s) {
        const Sixteen weights = load_weights(row[s] + i + part);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) total[r][s] = mul_add(x[r], weights, total[r][s]);
      }
    }
  }
  for (; i < p.inputs; i += 16) {
    const int64_t count = std::min<int64_t>(16, p.inputs - i);
    for (int s = 0; s < kStreams; ++s) {
      Weight tail[16] = {};
      std::memcpy(tail, row[s] + i, static_cast<size_t>(count) * sizeof(Weight));
      const Sixteen weights = load_weights(tail);
      for (int r = 0; r < kRows; ++r)
        total[r][s] = mul_add(load_part(p.x + r * p.inputs + i, count), weights, total[r][s]);
    }
  }
  for (int s = 0; s < kStreams; ++s)
    for (int r = 0; r < kRows; ++r) {
      float value = sum(total[r][s]) + (p.bias ? p.bias[outputs[s]] : 0.0f);
      if (p.rectify && value < 0) value = 0;
      p.y[r * p.outputs + outputs[s]] = value;
    }
}

// Outputs [begin, end): cut into streams of equal length, so that each runs through memory without a jump.
template <int kStreams, int kRows, class Weight>
void some_outputs(const Product& p, const Weight* w, int64_t begin, int64_t end) {
  const int64_t length = (end - begin) / kStreams;
  int64_t at[kStreams];
  for (int64_t k = 0; k < length; ++k) {
    for (int s = 0; s < kStreams; ++s) at[s] = begin + s * length + k;
    few_outputs<kStreams, kRows>(p, w, at);
  }
  for (int64_t o = begin + length * kStreams; o < end; ++o) few_outputs<1, kRows>(p, w, &o);
}

template <class Weight>
void any_rows(const Product& p, const Weight* w, int64_t rows, int streams, int64_t begin, int64_t end) {
  if (rows == 1 && streams == 4) some_outputs<4, 1>(p, w, begin, end);
  if (rows == 1 && streams != 4) some_outputs<6, 1>(p, w, begin, end);
  if (rows == 2) some_outputs<6, 2>(p, w, begin, end);
  if (rows == 3) some_outputs<4, 3>(p, w, begin, end);
  if (rows == 4) some_outputs<4, 4>(p, w, begin, end);
}

void rows_f32(const float* x, const float* w, const float* bias, float* y, int64_t rows, int64_t inputs,
              int64_t outputs, bool rectify, int streams, int64_t begin, int64_t end) {
  any_rows(Product{x, bias, y, inputs, outputs, rectify}, w, rows, streams, begin, end);
}
void rows_bf16(const float* x, const uint16_t* w, const float* bias, float* y, int64_t rows, int64_t inputs,
               int64_t outputs, bool rectify, int streams, int64_t begin, int64_t end) {
  any_rows(Product{x, bias, y, inputs, outputs, rectify}, w, rows, streams, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_bf16);

void gemm_rows(const float* x, const float* w, const float* bias, float* y, int64_t rows, int64_t inputs,
               int64_t outputs, bool rectify, int streams) {
  const int64_t grain = std::max<int64_t>(16, 32768 / std::max<int64_t>(inputs, 1));
  parallel_ranges(outputs, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rows_f32)(x, w, bias, y, rows, inputs, outputs, rectify, streams, begin, end);
  });
}

void gemm_rows_bf16(const float* x, const uint16_t* w, const float* bias, float* y, int64_t rows, int64_t inputs,
                    int64_t outputs, bool rectify, int streams) {
  const int64_t grain = std::max<int64_t>(16, 32768 / std::max<int64_t>(inputs, 1));
  parallel_ranges(outputs, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rows_bf16)(x, w, bias, y, rows, inputs, outputs, rectify, streams, begin, end);
  });
}

void round_to_bf16(const float* from, uint16_t* to, int64_t count) {
  parallel_for(count, 1 << 16, [&](int64_t i) {
    const uint32_t bits = std::bit_cast<uint32_t>(from[i]);
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    to[i] = static_cast<uint16_t>(nan ? (bits >> 16 | 0x40u) : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  });
}

}  // namespace fovea::kernels
#endif
