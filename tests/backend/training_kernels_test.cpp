// The kernels of training, on every instruction set of this machine, against plain loops in double.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "fovea/backend/cpu/kernels/dropout.h"
#include "fovea/backend/cpu/kernels/lrn_gradient.h"
#include "fovea/backend/cpu/kernels/small_conv.h"
#include "fovea/base/rng.h"
#include "tests/backend/every_target.h"

namespace fovea::kernels {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t key) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 2 * Rng(key).uniform(i) - 1;
  return x;
}

size_t at(int64_t index) { return static_cast<size_t>(index); }

// Calls f(y index, x index, w index) for every product of a convolution.
template <class F>
void for_each_product(const SmallConv& s, const F& f) {
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.outputs; ++o)
      for (int64_t p = 0; p < s.out_height * s.out_width; ++p)
        for (int64_t c = 0; c < s.channels; ++c)
          for (int64_t k = 0; k < s.kernel_height * s.kernel_width; ++k) {
            const int64_t row = p / s.out_width + k / s.kernel_width - s.pad_top;
            const int64_t column = p % s.out_width + k % s.kernel_width - s.pad_left;
            if (row < 0 || column < 0 || row >= s.height || column >= s.width) continue;
            f(at((n * s.outputs + o) * s.out_height * s.out_width + p),
              at(((n * s.channels + c) * s.height + row) * s.width + column),
              at((o * s.channels + c) * s.kernel_height * s.kernel_width + k));
          }
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, const std::vector<double>& scale,
                 double terms) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], terms * 6e-8 * scale[i] + 1e-30) << "element " << i << " of " << got.size();
}

TEST(training_kernels, small_convolutions) {
  // The last one leaves rows and columns of x unread; the others pad unevenly or not at all.
  const SmallConv samples[] = {{3, 1, 28, 28, 6, 28, 28, 5, 5, 2, 2, 2},
                               {9, 6, 14, 14, 8, 10, 10, 5, 5, 0, 0, 2},
                               {1, 3, 5, 19, 1, 6, 20, 3, 4, 1, 2, 1},
                               {2, 2, 1, 1, 5, 3, 3, 3, 3, 2, 2, 2},
                               {2, 5, 9, 8, 7, 4, 3, 2, 7, 0, 1, 2}};
  on_every_target([&] {
    for (const SmallConv& s : samples) {
      const auto x = random_floats(s.batch * s.channels * s.height * s.width, 1);
      const auto w = random_floats(s.outputs * s.channels * s.kernel_height * s.kernel_width, 2);
      const auto d = random_floats(s.batch * s.outputs * s.out_height * s.out_width, 3);
      const auto bias = random_floats(s.outputs, 4);
      std::vector<double> y(d.size()), y_scale(d.size()), dw(w.size()), dw_scale(w.size()), dx(x.size()),
          dx_scale(x.size());
      const int64_t plane = s.out_height * s.out_width;
      for (size_t i = 0; i < y.size(); ++i) {
        y[i] = bias[i / at(plane) % at(s.outputs)];
        y_scale[i] = std::abs(y[i]);
      }
      for_each_product(s, [&](size_t i, size_t j, size_t k) {
        const double a = double(x[j]) * w[k], b = double(d[i]) * x[j], c = double(d[i]) * w[k];
        y[i] += a, y_scale[i] += std::abs(a), dw[k] += b, dw_scale[k] += std::abs(b), dx[j] += c;
        dx_scale[j] += std::abs(c);
      });
      const double taps = static_cast<double>(s.kernel_height * s.kernel_width);
      std::vector<float> got(y.size(), NAN), scratch(small_conv_scratch(s), NAN);
      small_conv(s, x.data(), w.data(), bias.data(), got.data(), false, scratch.data());
      expect_near(got, y, y_scale, static_cast<double>(s.channels) * taps + 2);
      small_conv(s, x.data(), w.data(), bias.data(), got.data(), true, scratch.data());
      for (double& value : y) value = std::max(value, 0.0);
      expect_near(got, y, y_scale, static_cast<double>(s.channels) * taps + 2);

      got.assign(w.size(), NAN);
      scratch.assign(small_conv_weight_gradient_scratch(s), NAN);
      small_conv_weight_gradient(s, x.data(), d.data(), got.data(), scratch.data());
      expect_near(got, dw, dw_scale, static_cast<double>(s.batch * plane) + 2);

      ASSERT_LE(s.kernel_height * small_conv_row_vectors(s), kSmallVectorsMost);
      std::vector<float> rows(at(s.outputs * s.kernel_height * small_conv_row_vectors(s) * 16), NAN);
      small_conv_tap_rows(s, w.data(), rows.data());
      got.assign(x.size(), NAN);
      scratch.assign(small_conv_input_gradient_scratch(s), NAN);
      small_conv_input_gradient(s, {s.outputs * plane, 1, plane, 1}, d.data(), rows.data(), got.data(), scratch.data());
      expect_near(got, dx, dx_scale, static_cast<double>(s.outputs) * taps + 2);
    }
  });
}

TEST(training_kernels, dropout_draws_the_numbers_of_the_generator) {
  on_every_target([] {
    for (const uint64_t key : {uint64_t{1}, uint64_t{0xFEDCBA9876543210}})
      for (const int64_t block : {1, 8, 16, 21}) {
        const int64_t images = 3, channels = 21, pixels = 77, blocks = (channels + block - 1) / block;
        const bool plain = block == 1;
        const DropoutShape shape =
            plain ? DropoutShape{1, 1, images * channels * pixels, 0, 1, 0, 1}
                  : DropoutShape{images, channels, pixels, blocks * block * pixels, block, block * pixels, block};
        const auto count = images * blocks * block * pixels;
        auto x = random_floats(count, 5);
        x[3] = INFINITY;
        std::vector<float> y(x.size(), NAN);
        std::vector<uint8_t> mask(plain ? x.size() : 0, 7);
        dropout(shape, key, 1 << 22, 4.0 / 3, x.data(), y.data(), plain ? mask.data() : nullptr);
        for (int64_t n = 0; n < images; ++n)
          for (int64_t c = 0; c < blocks * block; ++c)
            for (int64_t p = 0; p < pixels; ++p) {
              const size_t k = at(((n * blocks + c / block) * pixels + p) * block + c % block);
              const auto index = static_cast<uint64_t>((n * channels + c) * pixels + p);
              const bool kept = c < channels && Rng(key).uniform(index) >= 0.25f;
              ASSERT_EQ(y[k], kept ? static_cast<float>(double(x[k]) * (4.0 / 3)) : 0.0f) << n << " " << c << " " << p;
              if (plain) ASSERT_EQ(mask[k], kept);
            }
      }
  });
}

TEST(training_kernels, lrn_gradient) {
  on_every_target([] {
    for (const float beta : {0.75f, 0.5f, 1.0f, 0.6f})
      for (const int64_t block : {1, 16, 19}) {
        const int64_t images = 2, channels = 19, pixels = 21, blocks = (channels + block - 1) / block;
        LrnShape s{images, channels, pixels, 2, 1, 0.3f, beta, 1.5f, {}};
        s.strides = {blocks * block * pixels, block, block == 1 ? pixels : block * pixels, block};
        const auto x = random_floats(images * blocks * block * pixels, 6),
                   d = random_floats(images * blocks * block * pixels, 7);
        std::vector<float> dx(x.size(), NAN), scratch(lrn_gradient_scratch(s, 2), NAN);
        lrn_gradient(s, d.data(), x.data(), dx.data(), scratch.data(), 2);
        for (int64_t n = 0; n < images; ++n)
          for (int64_t p = 0; p < pixels; ++p) {
            const auto place = [&](int64_t c) {
              return at(((n * blocks + c / block) * pixels + p) * block + c % block);
            };
            std::vector<double> base;
            for (int64_t c = 0; c < channels; ++c) {
              base.push_back(1.5);
              for (int64_t j = std::max<int64_t>(0, c - 2); j <= std::min(channels - 1, c + 1); ++j)
                base.back() += double(0.3f) * x[place(j)] * x[place(j)];
            }
            for (int64_t c = 0; c < channels; ++c) {
              double want = d[place(c)] * std::pow(base[at(c)], -double(beta));
              for (int64_t j = std::max<int64_t>(0, c - 1); j <= std::min(channels - 1, c + 2); ++j)
                want -= 2 * double(0.3f) * beta * x[place(c)] * d[place(j)] * x[place(j)] *
                        std::pow(base[at(j)], -double(beta) - 1);
              // A dozen roundings of terms below 1.
              ASSERT_NEAR(dx[place(c)], want, 12 * 6e-8 * 2);
            }
            for (int64_t c = channels; c < blocks * block; ++c) ASSERT_EQ(dx[place(c)], 0.0f);
          }
      }
  });
}

}  // namespace
}  // namespace fovea::kernels
