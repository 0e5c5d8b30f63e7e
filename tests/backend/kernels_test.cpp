// Our own kernels against plain loops in double, on every instruction set that this machine has.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "fovea/backend/cpu/kernels/elementwise.h"
#include "fovea/backend/cpu/kernels/gather.h"
#include "fovea/backend/cpu/kernels/gemm_rows.h"
#include "fovea/backend/cpu/kernels/reduce.h"
#include "fovea/backend/cpu/kernels/switches.h"
#include "fovea/base/parallel.h"
#include "tests/backend/every_target.h"
#include "tests/backend/random_floats.h"

namespace fovea::kernels {
namespace {

TEST(kernels, gemm_rows) {
  on_every_target([] {
    for (const int64_t inputs : {1, 15, 16, 33, 64, 97, 1030})
      for (const int64_t outputs : {1, 7, 8, 33, 100})
        for (int64_t rows = 1; rows <= kGemmRowsMost; ++rows) {
          const auto x = random_floats(at(rows * inputs), 1), w = random_floats(at(inputs * outputs), 2),
                     b = random_floats(at(outputs), 3);
          std::vector<float> y(at(rows * outputs), NAN), z = y, single = y;
          gemm_rows(x.data(), w.data(), b.data(), y.data(), rows, inputs, outputs, true);
          std::vector<uint16_t> half(w.size());
          round_to_bf16(w.data(), half.data(), static_cast<int64_t>(w.size()));
          gemm_rows_bf16(x.data(), half.data(), nullptr, z.data(), rows, inputs, outputs, false);
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t o = 0; o < outputs; ++o) {
              double sum = b[at(o)], half_sum = 0, scale = 0;
              for (int64_t i = 0; i < inputs; ++i) {
                const uint32_t bits = static_cast<uint32_t>(half[at(o * inputs + i)]) << 16;
                float weight;
                std::memcpy(&weight, &bits, 4);
                EXPECT_NEAR(weight, w[at(o * inputs + i)], std::abs(w[at(o * inputs + i)]) / 256);
                sum += double(x[at(r * inputs + i)]) * w[at(o * inputs + i)];
                half_sum += double(x[at(r * inputs + i)]) * weight;
                scale += std::abs(double(x[at(r * inputs + i)]) * w[at(o * inputs + i)]);
              }
              const double tolerance = 1e-6 * (1 + scale);
              EXPECT_NEAR(y[at(r * outputs + o)], std::max(sum, 0.0), tolerance)
                  << inputs << " " << outputs << " " << rows;
              EXPECT_NEAR(z[at(r * outputs + o)], half_sum, tolerance);
            }
          // A row alone gives the same bits.
          gemm_rows(x.data(), w.data(), b.data(), single.data(), 1, inputs, outputs, true);
          EXPECT_EQ(0, std::memcmp(single.data(), y.data(), at(outputs) * sizeof(float)));
          // So do fewer streams.
          gemm_rows(x.data(), w.data(), b.data(), single.data(), 1, inputs, outputs, true, 4);
          EXPECT_EQ(0, std::memcmp(single.data(), y.data(), at(outputs) * sizeof(float)));
        }
  });
}

TEST(kernels, results_do_not_depend_on_threads) {
  const auto x = random_floats(3000, 1), w = random_floats(3000 * 70, 2);
  std::vector<float> one(70), many(70);
  set_thread_count(1);
  gemm_rows(x.data(), w.data(), nullptr, one.data(), 1, 3000, 70, false);
  set_thread_count(3);
  gemm_rows(x.data(), w.data(), nullptr, many.data(), 1, 3000, 70, false);
  set_thread_count(0);
  EXPECT_EQ(one, many);
}

TEST(kernels, unary) {
  const float infinity = std::numeric_limits<float>::infinity();
  on_every_target([&] {
    for (const int64_t count : {1, 5, 16, 31, 1000, 20011}) {
      auto x = random_floats(at(count), 4, -20, 20);
      if (count > 100) x[50] = NAN, x[51] = -120, x[52] = 120, x[53] = infinity, x[54] = -infinity, x[55] = -0.0f;
      std::vector<float> y(x.size());
      const auto check = [&](Unary f, auto g, double relative) {
        unary(f, x.data(), y.data(), count);
        for (size_t i = 0; i < x.size(); ++i) {
          const double want = static_cast<float>(g(double(x[i])));
          if (std::isnan(want)) EXPECT_TRUE(std::isnan(y[i])) << x[i];
          else if (std::isinf(want)) EXPECT_EQ(y[i], want) << x[i];
          else EXPECT_NEAR(y[i], want, relative * std::abs(want) + 2e-38) << x[i];
        }
      };
      check(
          Unary::copy, [](double v) { return v; }, 0);
      check(
          Unary::relu, [](double v) { return v < 0 ? 0 : v; }, 0);
      check(
          Unary::neg, [](double v) { return -v; }, 0);
      check(
          Unary::abs, [](double v) { return std::abs(v); }, 0);
      check(
          Unary::square, [](double v) { return v * v; }, 1e-7);
      check(
          Unary::sqrt, [](double v) { return std::sqrt(v); }, 1e-7);
      check(
          Unary::exp, [](double v) { return std::exp(v); }, 3e-7);
      check(
          Unary::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }, 5e-7);
      check(
          Unary::tanh, [](double v) { return std::tanh(v); }, 5e-7);
      check(
          Unary::erf, [](double v) { return std::erf(v); }, 5e-7);
    }
  });
}

float apply(Binary f, float a, float b) {
  switch (f) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::max: return std::max(a, b);
    case Binary::min: return std::min(a, b);
    case Binary::relu_gradient: return b > 0 ? a : 0;
    case Binary::gelu_gradient:
    case Binary::gelu_tanh_gradient: break;  // see the test gelu
    case Binary::reversed_sub: return b - a;
    case Binary::reversed_div: return b / a;
  }
  return NAN;
}

// x Φ(x) and its derivative: absolute where they vanish, relative where they do not.
TEST(kernels, gelu) {
  const auto phi = [](double v) { return std::erfc(-v * std::sqrt(0.5)) / 2; };
  const auto density = [](double v) { return std::exp(-v * v / 2) / std::sqrt(2 * M_PI); };
  const auto u = [](double v) { return std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v); };
  const auto slope_by_tanh = [&](double v) {
    const double t = std::tanh(u(v)), du = std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * v * v);
    return std::abs(v) > 50 ? (v > 0 ? 1.0 : 0.0) : (1 + t) / 2 + v * (1 - t * t) * du / 2;
  };
  on_every_target([&] {
    for (const int64_t count : {1, 7, 16, 33, 20011}) {
      auto x = random_floats(at(count), 14, -7, 7);
      if (count > 100) x[50] = NAN, x[51] = -1e20f, x[52] = 1e20f, x[53] = 0, x[54] = -0.0f, x[55] = 1e-30f;
      const std::vector<float> ones(x.size(), 2);
      std::vector<float> y(x.size());
      const auto check = [&](auto want, const char* what) {
        for (size_t i = 0; i < x.size(); ++i) {
          if (std::isnan(x[i])) EXPECT_TRUE(std::isnan(y[i])) << what;
          else
            EXPECT_NEAR(y[i], want(double(x[i])),
                        1e-6 * (std::abs(want(double(x[i]))) + std::min(1.0, std::abs(double(x[i])))))
                << what << " at " << x[i];
        }
      };
      unary(Unary::gelu, x.data(), y.data(), count);
      check([&](double v) { return v * phi(v); }, "gelu");
      unary(Unary::gelu_tanh, x.data(), y.data(), count);
      check([&](double v) { return v / (1 + std::exp(-2 * u(v))); }, "gelu by tanh");
      binary(Binary::gelu_gradient, ones.data(), x.data(), y.data(), count);
      for (float& v : y) v /= 2;
      check([&](double v) { return phi(v) + v * density(v); }, "its slope");
      binary(Binary::gelu_tanh_gradient, ones.data(), x.data(), y.data(), count);
      for (float& v : y) v /= 2;
      check(slope_by_tanh, "its slope by tanh");
    }
  });
}

TEST(kernels, power) {
  const float infinity = std::numeric_limits<float>::infinity();
  on_every_target([&] {
    for (const float exponent : {0.0f, 1.0f, 2.0f, 3.0f, -2.0f, 6.0f, 0.5f, 1.5f, -0.7f, 2.25f, 80.0f}) {
      auto x = random_floats(1001, 15, -3, 3);
      x[50] = NAN, x[51] = 0, x[52] = infinity, x[53] = 1, x[54] = -infinity;
      for (const bool positive : {true, false}) {
        std::vector<float> y(x.size());
        if (positive)
          for (float& v : x) v = std::abs(v);
        power(x.data(), exponent, y.data(), static_cast<int64_t>(x.size()));
        for (size_t i = 0; i < x.size(); ++i) {
          const double want = static_cast<float>(std::pow(double(x[i]), double(exponent)));
          const double logarithm = std::abs(exponent * std::log(std::abs(double(x[i]))));
          const double inside = std::isfinite(logarithm) ? logarithm : 0;
          if (std::isnan(want) || (exponent == 80 && x[i] < 0)) continue;
          if (std::isinf(want)) EXPECT_EQ(y[i], want) << x[i] << " ^ " << exponent;
          else EXPECT_NEAR(y[i], want, (2 + inside) * 2.5e-7 * std::abs(want) + 2e-38) << x[i] << " ^ " << exponent;
        }
      }
    }
    const float odd[] = {NAN, -2};
    float y[2];
    power(odd, 1.5f, y, 2);
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  });
}

TEST(kernels, broadcast_along_any_axes) {
  on_every_target([] {
    // [2,3,40] and [2,1,40]; [5,1,7] and [1,4,1]; [3,1] and [1,33]
    const std::vector<std::vector<BroadcastAxis>> cases = {
        {{2, 120, 40}, {3, 40, 0}, {40, 1, 1}}, {{5, 7, 0}, {4, 0, 1}, {7, 1, 0}}, {{3, 1, 0}, {33, 0, 1}}};
    for (const auto& axes : cases) {
      const auto a = random_floats(240, 16), b = random_floats(240, 17);
      int64_t count = 1;
      for (const BroadcastAxis& axis : axes) count *= axis.size;
      std::vector<float> y(at(count));
      for (const auto& [f, exchanged] : {std::pair{Binary::sub, Binary::reversed_sub},
                                         {Binary::div, Binary::reversed_div},
                                         {Binary::add, Binary::add}}) {
        binary_broadcast(f, exchanged, a.data(), b.data(), y.data(), axes);
        for (int64_t i = 0; i < count; ++i) {
          int64_t rest = i, ia = 0, ib = 0;
          for (size_t k = axes.size(); k-- > 0; rest /= axes[k].size) {
            ia += rest % axes[k].size * axes[k].step_a;
            ib += rest % axes[k].size * axes[k].step_b;
          }
          EXPECT_EQ(y[at(i)], apply(f, a[at(ia)], b[at(ib)]));
        }
      }
    }
  });
}

// Elements moved exactly; sums in double whose order is that of the indices.
TEST(kernels, gather_and_scatter_add) {
  on_every_target([] {
    for (const GatherShape& s :
         {GatherShape{3, 50, 7000, 1}, {1, 1, 17, 1}, {2, 9, 5, 3}, {1, 40, 300, 130}, {4, 6, 0, 2}}) {
      const auto x = random_floats(at(s.outer * s.size * s.inner), 21),
                 d = random_floats(at(s.outer * s.count * s.inner), 22);
      std::vector<int32_t> positions(at(s.count));
      for (int64_t i = 0; i < s.count; ++i) positions[at(i)] = static_cast<int32_t>(i * 37 % s.size);
      for (const int threads : {1, 3}) {
        set_thread_count(threads);
        std::vector<float> y(d.size(), NAN), back(x.size(), NAN);
        std::vector<double> sums(x.size(), NAN), want(x.size());
        gather(s, x.data(), positions.data(), y.data());
        scatter_add(s, d.data(), positions.data(), back.data(), sums.data());
        for (int64_t o = 0; o < s.outer; ++o)
          for (int64_t i = 0; i < s.count; ++i)
            for (int64_t r = 0; r < s.inner; ++r) {
              const int64_t from = (o * s.size + positions[at(i)]) * s.inner + r, to = (o * s.count + i) * s.inner + r;
              EXPECT_EQ(y[at(to)], x[at(from)]);
              want[at(from)] += double(d[at(to)]);
            }
        for (size_t k = 0; k < want.size(); ++k) EXPECT_EQ(back[k], static_cast<float>(want[k]));
      }
      set_thread_count(0);
    }
  });
}

constexpr Binary kBinaries[] = {Binary::add,           Binary::sub,          Binary::mul,
                                Binary::div,           Binary::max,          Binary::min,
                                Binary::relu_gradient, Binary::reversed_sub, Binary::reversed_div};

TEST(kernels, binary) {
  on_every_target([] {
    for (const int64_t count : {1, 17, 20000}) {
      const auto a = random_floats(at(count), 5), b = random_floats(at(count), 6);
      std::vector<float> y(a.size());
      for (const Binary f : kBinaries) {
        binary(f, a.data(), b.data(), y.data(), count);
        for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], apply(f, a[i], b[i]));
      }
    }
  });
}

TEST(kernels, relu_gradient_rounds) {
  on_every_target([] {
    for (const int64_t count : {1, 17, 20000}) {
      auto a = random_floats(at(count), 5);
      const auto b = random_floats(at(count), 6);
      if (count > 1) a[3] = NAN, a[5] = INFINITY, a[6] = -INFINITY, a[7] = 1.00390625f, a[8] = 1.01171875f;  // ties
      std::vector<uint16_t> y(a.size(), 77), want(a.size());
      std::vector<float> whole(a.size());
      binary(Binary::relu_gradient, a.data(), b.data(), whole.data(), count);
      round_to_bf16(whole.data(), want.data(), count);
      relu_gradient_bf16(a.data(), b.data(), y.data(), count);
      EXPECT_EQ(y, want);
    }
  });
}

TEST(kernels, channels_in_every_layout) {
  on_every_target([] {
    const ChannelView views[] = {{2, 3, 35, 1}, {2, 3, 35, 16},   {2, 3, 35, 8},   {7, 1, 1, 37}, {1, 1, 20001, 1},
                                 {3, 1, 5, 40}, {1, 2, 5000, 16}, {1001, 1, 1, 3}, {2, 5, 70, 6}, {31, 1, 1, 15}};
    for (const ChannelView& v : views) {
      const auto a = random_floats(at(v.count()), 7), scale = random_floats(at(v.channels * v.lanes), 8),
                 shift = random_floats(at(v.channels * v.lanes), 9);
      std::vector<float> y(a.size());
      const auto parameter = [&](int64_t i) { return at(i / v.lanes / v.inner % v.channels * v.lanes + i % v.lanes); };
      for (const Binary f : kBinaries) {
        binary_channel(f, a.data(), scale.data(), y.data(), v);
        for (int64_t i = 0; i < v.count(); ++i) EXPECT_EQ(y[at(i)], apply(f, a[at(i)], scale[parameter(i)]));
      }
      for (const bool rectify : {false, true}) {
        channel_affine(a.data(), scale.data(), shift.data(), y.data(), v, rectify);
        for (int64_t i = 0; i < v.count(); ++i) {
          const double want = double(a[at(i)]) * scale[parameter(i)] + shift[parameter(i)];
          EXPECT_NEAR(y[at(i)], rectify ? std::max(want, 0.0) : want, 3e-7);
        }
      }
    }
  });
}

TEST(kernels, max_pool_and_switches) {
  struct Sample {
    int64_t h, w, kernel_h, kernel_w, stride, dilation, pad;
  };
  on_every_target([] {
    for (const Sample& s :
         {Sample{12, 50, 2, 2, 2, 1, 0}, {13, 41, 3, 3, 2, 1, 1}, {9, 40, 3, 2, 1, 2, 0}, {5, 6, 2, 2, 2, 1, 1}})
      for (const int64_t lanes : {1, 5, 8, 16, 33}) {
        const int64_t oh = (s.h + 2 * s.pad - (s.kernel_h - 1) * s.dilation - 1) / s.stride + 1,
                      ow = (s.w + 2 * s.pad - (s.kernel_w - 1) * s.dilation - 1) / s.stride + 1;
        auto x = random_floats(at(3 * s.h * s.w * lanes), 16);
        for (size_t k = 0; k < x.size(); k += 3) x[k] = std::round(x[k] * 4);  // ties
        x[7] = NAN;
        std::vector<float> y(at(3 * oh * ow * lanes), 99), z = y, taken(y.size());
        std::vector<int32_t> switches(y.size(), -7);
        const PoolShape shape{3,          s.h,      s.w,      lanes,      oh,         ow,    s.kernel_h,
                              s.kernel_w, s.stride, s.stride, s.dilation, s.dilation, s.pad, s.pad};
        max_pool(shape, x.data(), y.data(), switches.data());
        max_pool(shape, x.data(), z.data(), nullptr);
        for (int64_t p = 0; p < 3; ++p)
          for (int64_t r = 0; r < oh; ++r)
            for (int64_t c = 0; c < ow; ++c)
              for (int64_t lane = 0; lane < lanes; ++lane) {
                float best = 0;
                int64_t where = -1;
                for (int64_t ky = 0; ky < s.kernel_h; ++ky)
                  for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                    const int64_t row = r * s.stride - s.pad + ky * s.dilation,
                                  column = c * s.stride - s.pad + kx * s.dilation;
                    if (row < 0 || column < 0 || row >= s.h || column >= s.w) continue;
                    const float v = x[at(((p * s.h + row) * s.w + column) * lanes + lane)];
                    if (where < 0 || v > best || (v != v && best == best)) best = v, where = row * s.w + column;
                  }
                const size_t k = at(((p * oh + r) * ow + c) * lanes + lane);
                ASSERT_EQ(switches[k], where);
                if (best == best) {
                  ASSERT_EQ(y[k], best);
                  ASSERT_EQ(z[k], best);
                } else {
                  ASSERT_TRUE(y[k] != y[k]);
                }
              }
        take_switches(x.data(), switches.data(), taken.data(), 3, oh * ow, s.h * s.w, lanes);
        EXPECT_EQ(0, std::memcmp(taken.data(), y.data(), y.size() * sizeof(float)));
        const auto d = random_floats(y.size(), 17);
        std::vector<float> back(x.size(), NAN), want(x.size(), 0.0f);
        const auto check_unpool = [&] {
          std::fill(back.begin(), back.end(), NAN);
          std::fill(want.begin(), want.end(), 0.0f);
          unpool({3, s.h, s.w, oh, ow, lanes}, d.data(), switches.data(), back.data());
          for (size_t k = 0; k < y.size(); ++k) {
            const int64_t plane = static_cast<int64_t>(k) / (oh * ow * lanes);
            want[at((plane * s.h * s.w + switches[k]) * lanes + static_cast<int64_t>(k) % lanes)] += d[k];
          }
          EXPECT_EQ(back, want);
        };
        check_unpool();
        // A switch outside of its window, as a caller's own switches may be.
        const size_t stray = switches.size() / 2;
        switches[stray] = switches[stray] == 0 ? static_cast<int32_t>(s.h * s.w - 1) : 0;
        check_unpool();
      }
  });
}

TEST(kernels, reduce) {
  on_every_target([] {
    struct Sample {
      int64_t outer, reduced, inner;
    };
    for (const Sample& s :
         {Sample{3, 7, 1}, {2, 1000, 1}, {1, 100003, 1}, {1, 64, 37}, {5, 9, 16}, {2, 300, 200}, {40, 3000, 1}})
      for (const double scale : {1.0, 1.0 / static_cast<double>(s.reduced)}) {
        const auto x = random_floats(at(s.outer * s.reduced * s.inner), 18);
        std::vector<float> y(at(s.outer * s.inner), NAN), again(y);
        reduce_sum(x.data(), y.data(), s.outer, s.reduced, s.inner, scale);
        for (int64_t o = 0; o < s.outer; ++o)
          for (int64_t i = 0; i < s.inner; ++i) {
            double sum = 0;
            for (int64_t r = 0; r < s.reduced; ++r) sum += x[at((o * s.reduced + r) * s.inner + i)];
            EXPECT_NEAR(y[at(o * s.inner + i)], sum * scale,
                        2e-6 * std::sqrt(static_cast<double>(s.reduced)) * scale * 4);
          }
        set_thread_count(3);
        reduce_sum(x.data(), again.data(), s.outer, s.reduced, s.inner, scale);
        set_thread_count(0);
        EXPECT_EQ(y, again);
      }
  });
}

// Values from few, so that extremes tie; a NaN is an extreme, which nothing equals.
TEST(kernels, extremes_and_their_gradients) {
  struct Sizes {
    int64_t outer, reduced, inner;
  };
  on_every_target([] {
    for (const Sizes& s : {Sizes{3, 1, 1}, Sizes{5, 100, 1}, Sizes{7, 49, 16}, Sizes{4, 9, 21}, Sizes{1, 64, 3}})
      for (const bool largest : {true, false}) {
        auto x = random_floats(at(s.outer * s.reduced * s.inner), 19);
        for (float& v : x) v = std::round(4 * v) - 0.5f;
        const auto index = [&](int64_t o, int64_t r, int64_t i) { return at((o * s.reduced + r) * s.inner + i); };
        x[index(0, s.reduced / 2, 0)] = NAN;
        const auto d = random_floats(at(s.outer * s.inner), 20);
        std::vector<float> y(d.size(), -99), dx(x.size(), NAN);
        reduce_extreme(x.data(), y.data(), s.outer, s.reduced, s.inner, largest);
        reduce_extreme_gradient(d.data(), x.data(), y.data(), dx.data(), s.outer, s.reduced, s.inner);
        EXPECT_TRUE(std::isnan(y[0]));
        for (int64_t o = 0; o < s.outer; ++o)
          for (int64_t i = 0; i < s.inner; ++i) {
            const size_t to = at(o * s.inner + i);
            float best = x[index(o, 0, i)], ties = 0;
            for (int64_t r = 1; r < s.reduced; ++r)
              best = largest ? std::max(best, x[index(o, r, i)]) : std::min(best, x[index(o, r, i)]);
            for (int64_t r = 0; r < s.reduced; ++r) ties += x[index(o, r, i)] == best;
            if (to > 0) EXPECT_EQ(y[to], best);
            for (int64_t r = 0; r < s.reduced; ++r)
              EXPECT_EQ(dx[index(o, r, i)], to > 0 && x[index(o, r, i)] == best ? d[to] / ties : 0.0f);
          }
        auto over = x;
        reduce_extreme_gradient(d.data(), over.data(), y.data(), over.data(), s.outer, s.reduced, s.inner);
        EXPECT_EQ(over, dx);
      }
  });
}

}  // namespace
}  // namespace fovea::kernels
