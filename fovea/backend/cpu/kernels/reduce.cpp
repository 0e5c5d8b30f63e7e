// y[o,i] = scale · Σ_r x[o,r,i]
// inner = 1: pieces of kPiece elements, sixteen lanes each; inner > 1: sixteen neighbours at a time, pieces of kRows
// rows.
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

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(sum_piece);
HWY_EXPORT(sum_columns);

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
  const int64_t groups = (inner + 15) / 16;
  parallel_for(outer * groups, std::max<int64_t>(1, 512 / std::max<int64_t>(reduced, 1)), [&](int64_t k) {
    const int64_t o = k / groups, first = k % groups * 16;
    HWY_DYNAMIC_DISPATCH(sum_columns)
    (x + o * reduced * inner + first, y + o * inner + first, reduced, inner, std::min<int64_t>(16, inner - first),
     scale);
  });
}

}  // namespace fovea::kernels
#endif
