// u = G g Gᵀ for every pair of channels, in double, sixteen output channels at a time.
// Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; points 0, ±1, ±2 (and ±1/2).
#include <algorithm>
#include <vector>

#include "fovea/backend/cpu/kernels/winograd.h"
#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/winograd_weights.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 16>;
using Halves = hn::Rebind<float, Doubles>;
constexpr int kWide = static_cast<int>(hn::MaxLanes(Doubles()));

// G of F(4,3) and F(6,3).
constexpr double kG4[6][3] = {{0.25, 0, 0},
                              {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                              {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                              {1.0 / 24, 1.0 / 12, 1.0 / 6},
                              {1.0 / 24, -1.0 / 12, 1.0 / 6},
                              {0, 0, 1}};
constexpr double kG6[8][3] = {{1, 0, 0},
                              {-2.0 / 9, -2.0 / 9, -2.0 / 9},
                              {-2.0 / 9, 2.0 / 9, -2.0 / 9},
                              {1.0 / 90, 1.0 / 45, 2.0 / 45},
                              {1.0 / 90, -1.0 / 45, 2.0 / 45},
                              {32.0 / 45, 16.0 / 45, 8.0 / 45},
                              {32.0 / 45, -16.0 / 45, 8.0 / 45},
                              {0, 0, 1}};

// g [9][16] → the points of sixteen outputs, `step` floats apart.
template <int kSide>
HWY_INLINE void transform(const double (&matrix)[kSide][3], const float* g, float* to, int64_t step) {
  const Doubles d;
  const auto combine = [&](const double* m, auto a, auto b, auto c) HWY_ATTR {
    return hn::MulAdd(hn::Set(d, m[2]), c, hn::MulAdd(hn::Set(d, m[1]), b, hn::Mul(hn::Set(d, m[0]), a)));
  };
  for (int lane = 0; lane < 16; lane += kWide) {
    hn::Vec<Doubles> taps[9];
    for (int k = 0; k < 9; ++k) taps[k] = hn::PromoteTo(d, hn::LoadU(Halves(), g + k * 16 + lane));
    for (int r = 0; r < kSide; ++r) {
      const auto a = combine(matrix[r], taps[0], taps[3], taps[6]), b = combine(matrix[r], taps[1], taps[4], taps[7]),
                 c = combine(matrix[r], taps[2], taps[5], taps[8]);
      for (int column = 0; column < kSide; ++column)
        hn::StoreU(hn::DemoteTo(Halves(), combine(matrix[column], a, b, c)), Halves(),
                   to + (r * kSide + column) * step + lane);
    }
  }
}

void transform_sixteen(int tile, const float* g, float* to, int64_t step) {
  if (tile == 4) transform(kG4, g, to, step);
  else transform(kG6, g, to, step);
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(transform_sixteen);

void winograd_weights(const WinogradPlan& plan, const float* w, const WinogradWeightOffsets& at, bool adjoint,
                      float* transformed) {
  const WinogradShape& s = plan.shape;
  const int64_t inputs = plan.input_blocks * 16, outputs = plan.output_blocks * 16;
  // What the outputs and inputs of this convolution are to the weights.
  const int64_t *out = adjoint ? at.i : at.o, *in = adjoint ? at.o : at.i;
  int64_t taps[9];
  for (int k = 0; k < 9; ++k) taps[k] = adjoint ? at.h[2 - k / 3] + at.w[2 - k % 3] : at.h[k / 3] + at.w[k % 3];
  parallel_for(plan.output_blocks * plan.input_blocks, 1, [&](int64_t item) {
    const int64_t o = item / plan.input_blocks * 16, first = item % plan.input_blocks * 16;
    const int64_t count = std::min<int64_t>(16, s.outputs - o);
    const bool together = count == 16 && out[o + 15] - out[o] == 15 && out[o + 8] - out[o] == 8;
    const int64_t wide = o / 32, width = std::min<int64_t>(32, outputs - wide * 32);
    float* const to = transformed + wide * 32 * inputs * plan.points + o % 32;
    for (int64_t i = first; i < first + 16; ++i) {
      float g[9 * 16] = {};
      if (i < s.inputs) {
        const float* const from = w + in[i];
        if (together) {
          for (int k = 0; k < 9; ++k) std::copy_n(from + out[o] + taps[k], 16, g + k * 16);
        } else {
          for (int64_t lane = 0; lane < count; ++lane)
            for (int k = 0; k < 9; ++k) g[k * 16 + lane] = from[out[o + lane] + taps[k]];
        }
      }
      HWY_DYNAMIC_DISPATCH(transform_sixteen)(plan.tile, g, to + i * width, inputs * width);
    }
  });
}

void winograd_weights(const WinogradPlan& plan, const float* w, bool adjoint, float* transformed) {
  const int64_t outer = adjoint ? plan.shape.inputs : plan.shape.outputs;
  const int64_t inner = adjoint ? plan.shape.outputs : plan.shape.inputs;
  std::vector<int64_t> o(static_cast<size_t>(outer)), i(static_cast<size_t>(inner));
  for (int64_t k = 0; k < outer; ++k) o[static_cast<size_t>(k)] = k * inner * 9;
  for (int64_t k = 0; k < inner; ++k) i[static_cast<size_t>(k)] = k * 9;
  constexpr int64_t kRows[] = {0, 3, 6}, kColumns[] = {0, 1, 2};
  winograd_weights(plan, w, {o.data(), i.data(), kRows, kColumns}, adjoint, transformed);
}

}  // namespace fovea::kernels
#endif
