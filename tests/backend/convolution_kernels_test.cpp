// Our own convolutions, by Winograd and directly to pictures, against plain loops in double.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include <hwy/aligned_allocator.h>

#include "fovea/backend/cpu/kernels/image_gradient.h"
#include "fovea/backend/cpu/kernels/winograd.h"
#include "fovea/base/parallel.h"
#include "tests/backend/every_target.h"
#include "tests/backend/random_floats.h"

namespace fovea::kernels {
namespace {

// plain [N,C,H·W] → [N,C/16,H·W,16], padded lanes 0.
std::vector<float> to_blocked(const std::vector<float>& x, int64_t n, int64_t c, int64_t plane) {
  const int64_t blocks = (c + 15) / 16;
  std::vector<float> y(at(n * blocks * plane * 16), 0.0f);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < c; ++k)
      for (int64_t p = 0; p < plane; ++p)
        y[at(((i * blocks + k / 16) * plane + p) * 16 + k % 16)] = x[at((i * c + k) * plane + p)];
  return y;
}
std::vector<float> from_blocked(const std::vector<float>& y, int64_t n, int64_t c, int64_t plane) {
  const int64_t blocks = (c + 15) / 16;
  std::vector<float> x(at(n * c * plane));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < c; ++k)
      for (int64_t p = 0; p < plane; ++p)
        x[at((i * c + k) * plane + p)] = y[at(((i * blocks + k / 16) * plane + p) * 16 + k % 16)];
  return x;
}

struct Convolution {
  int64_t n, i, h, w, o, kernel_h, kernel_w, stride, dilation, pad_top, pad_left, pad_bottom, pad_right;
  int64_t oh() const { return (h + pad_top + pad_bottom - (kernel_h - 1) * dilation - 1) / stride + 1; }
  int64_t ow() const { return (w + pad_left + pad_right - (kernel_w - 1) * dilation - 1) / stride + 1; }
  // f(index of x, index of w, index of y)
  template <class F>
  void each_product(F f) const {
    for (int64_t b = 0; b < n; ++b)
      for (int64_t q = 0; q < o; ++q)
        for (int64_t y = 0; y < oh(); ++y)
          for (int64_t x = 0; x < ow(); ++x)
            for (int64_t c = 0; c < i; ++c)
              for (int64_t ky = 0; ky < kernel_h; ++ky)
                for (int64_t kx = 0; kx < kernel_w; ++kx) {
                  const int64_t row = y * stride - pad_top + ky * dilation,
                                column = x * stride - pad_left + kx * dilation;
                  if (row < 0 || column < 0 || row >= h || column >= w) continue;
                  f(at(((b * i + c) * h + row) * w + column), at(((q * i + c) * kernel_h + ky) * kernel_w + kx),
                    at(((b * o + q) * oh() + y) * ow() + x));
                }
  }
};

double relative_error(const std::vector<float>& got, const std::vector<double>& want) {
  double error = 0, norm = 0;
  for (size_t k = 0; k < want.size(); ++k) error += (got[k] - want[k]) * (got[k] - want[k]), norm += want[k] * want[k];
  return std::sqrt(error / norm);
}

void check_winograd(const Convolution& c, int tile, int threads, bool adjoint) {
  SCOPED_TRACE(
      fmt::format("{}x{}x{}x{} to {} tile {} threads {} adjoint {}", c.n, c.i, c.h, c.w, c.o, tile, threads, adjoint));
  const auto x = random_floats(at(c.n * c.i * c.h * c.w), 10);
  const int64_t area = c.kernel_h * c.kernel_w;
  auto w = random_floats(at(c.o * c.i * area), 11);
  const auto bias = random_floats(at((c.o + 15) / 16 * 16), 12);
  const auto residual = random_floats(at(c.n * c.o * c.oh() * c.ow()), 13);
  std::vector<double> want(residual.size());
  for (size_t k = 0; k < want.size(); ++k) want[k] = double(residual[k]) + bias[k / at(c.oh() * c.ow()) % at(c.o)];
  c.each_product([&](size_t ix, size_t iw, size_t iy) { want[iy] += double(x[ix]) * w[iw]; });
  for (double& v : want) v = std::max(v, 0.0);
  if (adjoint) {  // the same convolution, its weights given as those of the forward one
    std::vector<float> turned(w.size());
    for (int64_t o = 0; o < c.o; ++o)
      for (int64_t i = 0; i < c.i; ++i)
        for (int64_t k = 0; k < area; ++k)
          turned[at((i * c.o + o) * area + area - 1 - k)] = w[at((o * c.i + i) * area + k)];
    w = turned;
  }
  const WinogradPlan plan =
      plan_winograd({c.n, c.i, c.h, c.w, c.o, c.oh(), c.ow(), c.pad_top, c.pad_left, int(c.kernel_h),
                     strides_nChw16c(c.i, c.h, c.w), strides_nChw16c(c.o, c.oh(), c.ow())},
                    tile, threads);
  std::vector<float> transformed(plan.weight_floats, NAN);
  winograd_weights(plan, w.data(), adjoint, transformed.data());
  const auto xb = to_blocked(x, c.n, c.i, c.h * c.w), rb = to_blocked(residual, c.n, c.o, c.oh() * c.ow());
  std::vector<float> padded_bias(bias);
  for (size_t k = at(c.o); k < padded_bias.size(); ++k) padded_bias[k] = 0;
  std::vector<float> y(rb.size(), NAN), again = y;
  const auto scratch = hwy::AllocateAligned<char>(plan.scratch_bytes);
  winograd(plan, xb.data(), transformed.data(), padded_bias.data(), rb.data(), y.data(), true, scratch.get());
  EXPECT_LT(relative_error(from_blocked(y, c.n, c.o, c.oh() * c.ow()), want), plan.side == 6 ? 5e-6 : 2e-5);
  EXPECT_EQ(to_blocked(from_blocked(y, c.n, c.o, c.oh() * c.ow()), c.n, c.o, c.oh() * c.ow()), y) << "padded lanes";
  set_thread_count(1);
  winograd(plan, xb.data(), transformed.data(), padded_bias.data(), rb.data(), again.data(), true, scratch.get());
  set_thread_count(0);
  EXPECT_EQ(y, again);
}

TEST(kernels, winograd) {
  on_every_target([] {
    for (const int tile : {4, 6}) {
      check_winograd({1, 16, 12, 12, 32, 3, 3, 1, 1, 1, 1, 1, 1}, tile, 2, false);
      check_winograd({2, 17, 7, 9, 50, 3, 3, 1, 1, 1, 1, 1, 1}, tile, 3, false);
      check_winograd({1, 32, 13, 30, 16, 3, 3, 1, 1, 0, 2, 1, 0}, tile, 1, true);
      check_winograd({1, 3, 3, 3, 9, 3, 3, 1, 1, 0, 0, 0, 0}, tile, 2, false);
    }
    check_winograd({1, 16, 12, 12, 32, 5, 5, 1, 1, 2, 2, 2, 2}, 4, 2, false);
    check_winograd({2, 17, 7, 9, 50, 5, 5, 1, 1, 2, 2, 2, 2}, 4, 3, false);
    check_winograd({1, 32, 13, 21, 16, 5, 5, 1, 1, 0, 4, 3, 0}, 4, 1, true);
    check_winograd({1, 3, 5, 5, 9, 5, 5, 1, 1, 0, 0, 0, 0}, 4, 2, false);
  });
  check_winograd({1, 64, 27, 27, 192, 5, 5, 1, 1, 2, 2, 2, 2}, 4, 2, true);
  for (const int tile : {4, 6}) {
    check_winograd({1, 64, 40, 44, 64, 3, 3, 1, 1, 1, 1, 1, 1}, tile, 2, false);   // own chunks
    check_winograd({1, 256, 14, 14, 256, 3, 3, 1, 1, 1, 1, 1, 1}, tile, 2, true);  // shared chunks
  }
}

TEST(kernels, winograd_nhwc) {
  const Convolution c{1, 32, 9, 11, 48, 3, 3, 1, 1, 1, 1, 1, 1};
  const auto x = random_floats(at(c.i * c.h * c.w), 1), w = random_floats(at(c.o * c.i * 9), 2);
  std::vector<double> want(at(c.o * c.h * c.w), 0.0);
  c.each_product([&](size_t ix, size_t iw, size_t iy) { want[iy] += double(x[ix]) * w[iw]; });
  std::vector<float> last(x.size()), y(want.size()), plain(want.size());
  for (int64_t p = 0; p < c.h * c.w; ++p)
    for (int64_t k = 0; k < c.i; ++k) last[at(p * c.i + k)] = x[at(k * c.h * c.w + p)];
  const WinogradPlan plan = plan_winograd(
      {1, c.i, c.h, c.w, c.o, c.h, c.w, 1, 1, 3, strides_nhwc(c.i, c.h, c.w), strides_nhwc(c.o, c.h, c.w)}, 4, 2);
  std::vector<float> transformed(plan.weight_floats);
  winograd_weights(plan, w.data(), false, transformed.data());
  const auto scratch = hwy::AllocateAligned<char>(plan.scratch_bytes);
  winograd(plan, last.data(), transformed.data(), nullptr, nullptr, y.data(), false, scratch.get());
  for (int64_t p = 0; p < c.h * c.w; ++p)
    for (int64_t k = 0; k < c.o; ++k) plain[at(k * c.h * c.w + p)] = y[at(p * c.o + k)];
  EXPECT_LT(relative_error(plain, want), 2e-6);
}

TEST(kernels, image_gradient) {
  const Convolution cases[] = {{2, 3, 13, 29, 20, 3, 3, 1, 1, 1, 1, 1, 1},   {1, 3, 40, 37, 64, 7, 7, 2, 1, 3, 3, 3, 3},
                               {1, 3, 63, 71, 16, 11, 11, 4, 1, 2, 2, 2, 2}, {1, 1, 28, 28, 6, 5, 5, 1, 1, 0, 0, 0, 0},
                               {1, 2, 9, 50, 33, 3, 5, 2, 1, 1, 0, 0, 2},    {1, 4, 12, 41, 16, 3, 3, 1, 2, 2, 2, 2, 2},
                               {1, 3, 9, 9, 16, 1, 1, 3, 1, 0, 0, 0, 0}};
  on_every_target([&] {
    for (const Convolution& c : cases) {
      SCOPED_TRACE(fmt::format("{} channels, kernel {} stride {}", c.i, c.kernel_h, c.stride));
      const auto d = random_floats(at(c.n * c.o * c.oh() * c.ow()), 14),
                 w = random_floats(at(c.o * c.i * c.kernel_h * c.kernel_w), 15);
      std::vector<double> want(at(c.n * c.i * c.h * c.w), 0.0), scale(want);
      c.each_product([&](size_t ix, size_t iw, size_t iy) {
        want[ix] += double(d[iy]) * w[iw], scale[ix] += std::abs(double(d[iy]) * w[iw]);
      });
      const ImageGradientShape s{c.n,        c.i,       c.h,        c.w,
                                 c.o,        c.oh(),    c.ow(),     c.kernel_h,
                                 c.kernel_w, c.stride,  c.stride,   c.dilation,
                                 c.dilation, c.pad_top, c.pad_left, strides_nChw16c(c.o, c.oh(), c.ow())};
      std::vector<float> prepared(image_gradient_weight_floats(s)), dx(want.size(), NAN);
      image_gradient_weights(s, w.data(), prepared.data());
      const auto blocked = to_blocked(d, c.n, c.o, c.oh() * c.ow());
      image_gradient(s, blocked.data(), prepared.data(), dx.data());
      for (size_t k = 0; k < want.size(); ++k) ASSERT_NEAR(dx[k], want[k], 1e-6 * (scale[k] + 1)) << k;
    }
  });
}

}  // namespace
}  // namespace fovea::kernels
