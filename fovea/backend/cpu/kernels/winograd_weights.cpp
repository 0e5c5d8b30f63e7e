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

// Row p of G is [1, p, p², …] · f_p, with one factor to each point; the last has the point ∞.
constexpr double kPoints[] = {0, 1, -1, 2, -2, 0.5, -0.5};
constexpr double kFactors6[] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};
constexpr double kFactors8[] = {1, -2.0 / 9, -2.0 / 9, 1.0 / 90, 1.0 / 90, 32.0 / 45, 32.0 / 45};

template <int kSide, int kKernel>
struct Matrix {
  double at[kSide][kKernel] = {};
  constexpr Matrix() {
    for (int r = 0; r + 1 < kSide; ++r) {
      double power = kSide == 6 ? kFactors6[r] : kFactors8[r];
      for (int k = 0; k < kKernel; ++k, power *= kPoints[r]) at[r][k] = power;
    }
    at[kSide - 1][kKernel - 1] = 1;
  }
};

// g [kKernel²][16] → the points of sixteen outputs, `step` floats apart.
template <int kSide, int kKernel>
HWY_INLINE void transform(const float* g, float* to, int64_t step) {
  static constexpr Matrix<kSide, kKernel> kMatrix;
  const Doubles d;
  for (int lane = 0; lane < 16; lane += kWide) {
    for (int r = 0; r < kSide; ++r) {
      hn::Vec<Doubles> rows[kKernel];
      for (int column = 0; column < kKernel; ++column) {
        const auto tap = [&](int k) HWY_ATTR {
          return hn::PromoteTo(d, hn::LoadU(Halves(), g + (k * kKernel + column) * 16 + lane));
        };
        rows[column] = hn::Mul(hn::Set(d, kMatrix.at[r][0]), tap(0));
        for (int k = 1; k < kKernel; ++k) rows[column] = hn::MulAdd(hn::Set(d, kMatrix.at[r][k]), tap(k), rows[column]);
      }
      for (int column = 0; column < kSide; ++column) {
        auto total = hn::Mul(hn::Set(d, kMatrix.at[column][0]), rows[0]);
        for (int k = 1; k < kKernel; ++k) total = hn::MulAdd(hn::Set(d, kMatrix.at[column][k]), rows[k], total);
        hn::StoreU(hn::DemoteTo(Halves(), total), Halves(), to + (r * kSide + column) * step + lane);
      }
    }
  }
}

void transform_sixteen(int side, int kernel, const float* g, float* to, int64_t step) {
  if (side == 6) transform<6, 3>(g, to, step);
  else if (kernel == 3) transform<8, 3>(g, to, step);
  else transform<8, 5>(g, to, step);
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
  const int side = s.kernel, area = side * side;
  int64_t taps[25];
  for (int k = 0; k < area; ++k) {
    const int row = adjoint ? side - 1 - k / side : k / side, column = adjoint ? side - 1 - k % side : k % side;
    taps[k] = at.h[row] + at.w[column];
  }
  parallel_for(plan.output_blocks * plan.input_blocks, 1, [&](int64_t item) {
    const int64_t o = item / plan.input_blocks * 16, first = item % plan.input_blocks * 16;
    const int64_t count = std::min<int64_t>(16, s.outputs - o);
    const bool together = count == 16 && out[o + 15] - out[o] == 15 && out[o + 8] - out[o] == 8;
    const int64_t wide = o / 32, width = std::min<int64_t>(32, outputs - wide * 32);
    float* const to = transformed + wide * 32 * inputs * plan.points + o % 32;
    for (int64_t i = first; i < first + 16; ++i) {
      float g[25 * 16] = {};
      if (i < s.inputs) {
        const float* const from = w + in[i];
        if (together) {
          for (int k = 0; k < area; ++k) std::copy_n(from + out[o] + taps[k], 16, g + k * 16);
        } else {
          for (int64_t lane = 0; lane < count; ++lane)
            for (int k = 0; k < area; ++k) g[k * 16 + lane] = from[out[o + lane] + taps[k]];
        }
      }
      HWY_DYNAMIC_DISPATCH(transform_sixteen)(plan.side, s.kernel, g, to + i * width, inputs * width);
    }
  });
}

void winograd_weights(const WinogradPlan& plan, const float* w, bool adjoint, float* transformed) {
  const int64_t kernel = plan.shape.kernel, outer = adjoint ? plan.shape.inputs : plan.shape.outputs;
  const int64_t inner = adjoint ? plan.shape.outputs : plan.shape.inputs;
  std::vector<int64_t> o(static_cast<size_t>(outer)), i(static_cast<size_t>(inner));
  for (int64_t k = 0; k < outer; ++k) o[static_cast<size_t>(k)] = k * inner * kernel * kernel;
  for (int64_t k = 0; k < inner; ++k) i[static_cast<size_t>(k)] = k * kernel * kernel;
  const int64_t rows[] = {0, kernel, kernel * 2, kernel * 3, kernel * 4};
  constexpr int64_t kColumns[] = {0, 1, 2, 3, 4};
  winograd_weights(plan, w, {o.data(), i.data(), rows, kColumns}, adjoint, transformed);
}

}  // namespace fovea::kernels
#endif
