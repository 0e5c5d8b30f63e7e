// Batch norm in training, on every instruction set of this machine and in every arrangement, against loops in double.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "fovea/backend/cpu/kernels/batch_norm.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"

namespace fovea::kernels {
namespace {

size_t at(int64_t index) { return static_cast<size_t>(index); }

// [images, channels, positions]; `block` channels side by side: 1 plain, 8, 16, or all of them (channels last).
struct Arrangement {
  int64_t images, channels, positions, block;
  bool last() const { return block == channels; }
  int64_t blocks() const { return (channels + block - 1) / block; }
  int64_t size() const { return images * blocks() * block * positions; }
  size_t place(int64_t n, int64_t c, int64_t p) const {
    return at(((n * blocks() + c / block) * positions + p) * block + c % block);
  }
  BatchNormView view() const {
    BatchNormView v;
    v.channels = channels;
    if (last()) {
      v.strips = (channels + 15) / 16, v.rows = images * positions, v.strip_step = 16, v.row_step = channels;
      v.last_width = channels - 16 * (v.strips - 1);
    } else {
      v.lanes = block, v.strips = blocks(), v.runs = images, v.rows = positions * block / 16;
      v.tail = positions * block % 16, v.strip_step = positions * block, v.run_step = v.strips * v.strip_step;
    }
    return v;
  }
  // Padding is zeros.
  std::vector<float> drawn(uint64_t key, double centre = 0) const {
    std::vector<float> x(at(size()), 0.0f);
    for (int64_t n = 0; n < images; ++n)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t p = 0; p < positions; ++p)
          x[place(n, c, p)] = static_cast<float>(
              centre * static_cast<double>(c + 1) +
              2 * Rng(key).uniform_double(static_cast<uint64_t>((n * channels + c) * positions + p)) - 1);
    return x;
  }
};

std::vector<float> parameters(int64_t channels, uint64_t key) {
  std::vector<float> x;
  for (int64_t c = 0; c < channels; ++c) x.push_back(2 * Rng(key).uniform(static_cast<uint64_t>(c)) - 1);
  return x;
}

// Short and long runs, tails, last blocks that are not full, several pieces of a run and several runs of a piece.
std::vector<Arrangement> arrangements() {
  std::vector<Arrangement> result;
  for (const auto& [images, channels, positions] :
       std::vector<std::array<int64_t, 3>>{{2, 3, 5}, {5, 16, 64}, {70, 20, 9}, {3, 35, 600}, {1, 24, 1}, {2, 1, 4099}})
    for (const int64_t block : {int64_t{1}, int64_t{8}, int64_t{16}, channels})
      result.push_back({images, channels, positions, block});
  return result;
}

void for_each_case(const std::function<void(const Arrangement&)>& test) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    for (const Arrangement& a : arrangements()) {
      SCOPED_TRACE(::testing::Message() << hwy::TargetName(target) << " " << a.images << "x" << a.channels << "x"
                                        << a.positions << " in blocks of " << a.block);
      test(a);
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

// Each element of channel c with its place.
template <class F>
void for_channel(const Arrangement& a, int64_t c, const F& f) {
  for (int64_t n = 0; n < a.images; ++n)
    for (int64_t p = 0; p < a.positions; ++p) f(a.place(n, c, p));
}

// Roundings of f32 in a sum of pieces of at most 256 values a lane, a few more for the rest.
constexpr double kMost = 64 * 6e-8;

TEST(batch_norm_kernels, forward) {
  for_each_case([](const Arrangement& a) {
    if (a.images * a.positions < 2) return;
    // A mean of a hundred times the deviation must not cost the variance its digits.
    for (const double centre : {0.0, 60.0}) {
      const auto x = a.drawn(1, centre), residual = a.drawn(2);
      const auto scale = parameters(a.channels, 3), bias = parameters(a.channels, 4);
      std::vector<float> y(x.size(), NAN), mean(scale.size(), NAN), variance(scale.size(), NAN);
      std::vector<std::byte> scratch(batch_norm_scratch(a.view()));
      for (const bool join : {false, true}) {
        batch_norm_forward(a.view(),
                           {x.data(), scale.data(), bias.data(), join ? residual.data() : nullptr, join, 1e-5, y.data(),
                            mean.data(), variance.data()},
                           scratch.data());
        double count = static_cast<double>(a.images * a.positions), outside = 0;
        for (int64_t c = 0; c < a.channels; ++c) {
          double mu = 0, v = 0;
          for_channel(a, c, [&](size_t i) { mu += double(x[i]) / count; });
          for_channel(a, c, [&](size_t i) { v += (double(x[i]) - mu) * (double(x[i]) - mu) / count; });
          const double magnitude = std::abs(mu) + 1;
          ASSERT_NEAR(mean[at(c)], mu, kMost * magnitude);
          ASSERT_NEAR(variance[at(c)], v, 16 * kMost * v) << "channel " << c;
          for_channel(a, c, [&](size_t i) {
            const double z = (double(x[i]) - mu) / std::sqrt(v + 1e-5) * scale[at(c)] + bias[at(c)];
            const double want = join ? std::max(0.0, z + residual[i]) : z;
            ASSERT_NEAR(y[i], want, kMost * magnitude / std::sqrt(v + 1e-5)) << "element " << i;
          });
        }
        for (const float value : y) outside += std::isnan(value);
        EXPECT_EQ(outside, 0);
        for (int64_t c = a.channels; c < a.blocks() * a.block; ++c)
          for_channel(a, c, [&](size_t i) { ASSERT_EQ(y[i], 0.0f); });
      }
    }
  });
}

TEST(batch_norm_kernels, backward) {
  for_each_case([](const Arrangement& a) {
    const auto d = a.drawn(1), more = a.drawn(2), x = a.drawn(3), y = a.drawn(4);
    const auto scale = parameters(a.channels, 5), bias = parameters(a.channels, 6), mean = parameters(a.channels, 7);
    std::vector<float> variance = parameters(a.channels, 8);
    for (float& v : variance) v = v * v + 0.2f;
    std::vector<std::byte> scratch(batch_norm_scratch(a.view()));
    const double count = static_cast<double>(a.images * a.positions);
    // 0: no ReLU, 1: its condition from the bias, 2: from y.
    for (const int mask : {0, 1, 2})
      for (const bool sum : {false, true})
        for (const bool whole : {false, true}) {  // with what went through the ReLU
          std::vector<float> dx(x.size(), NAN), through(whole ? x.size() : 0, NAN), dscale(scale.size(), NAN),
              dbias(scale.size(), NAN);
          batch_norm_backward(a.view(),
                              {d.data(), sum ? more.data() : nullptr, x.data(), scale.data(), mean.data(),
                               variance.data(), mask == 1 ? bias.data() : nullptr, mask == 2 ? y.data() : nullptr, 1e-5,
                               dx.data(), dscale.data(), dbias.data(), whole ? through.data() : nullptr},
                              scratch.data());
          for (int64_t c = 0; c < a.channels; ++c) {
            const double r = 1 / std::sqrt(double(variance[at(c)]) + 1e-5);
            const auto e = [&](size_t i) {
              const double z = (double(x[i]) - mean[at(c)]) * r * scale[at(c)] + bias[at(c)];
              const bool open = mask == 0 || (mask == 1 ? z : double(y[i])) > 0;
              return open ? double(d[i]) + (sum ? double(more[i]) : 0) : 0;
            };
            double first = 0, second = 0, magnitude = 0;
            for_channel(a, c, [&](size_t i) {
              const double z = (double(x[i]) - mean[at(c)]) * r;
              first += e(i), second += e(i) * z, magnitude += std::abs(e(i)) * (1 + std::abs(z));
              if (whole) ASSERT_EQ(through[i], static_cast<float>(e(i)));
            });
            ASSERT_NEAR(dbias[at(c)], first, kMost * magnitude);
            ASSERT_NEAR(dscale[at(c)], second, kMost * magnitude);
            for_channel(a, c, [&](size_t i) {
              const double z = (double(x[i]) - mean[at(c)]) * r;
              ASSERT_NEAR(dx[i], scale[at(c)] * r * (e(i) - first / count - z * second / count),
                          kMost * r * (2 + (1 + std::abs(z)) * magnitude / count));
            });
          }
          for (int64_t c = a.channels; c < a.blocks() * a.block; ++c)
            for_channel(a, c, [&](size_t i) {
              ASSERT_EQ(dx[i], 0.0f);
              if (whole) ASSERT_EQ(through[i], 0.0f);
            });
        }
  });
}

TEST(batch_norm_kernels, results_may_overwrite_operands_and_do_not_depend_on_threads) {
  const Arrangement a{70, 40, 30, 16};
  const auto x = a.drawn(1), d = a.drawn(2), residual = a.drawn(3);
  const auto scale = parameters(40, 4), bias = parameters(40, 5);
  std::vector<std::byte> scratch(batch_norm_scratch(a.view()));
  const int threads = thread_count();
  std::vector<std::vector<float>> results[2];
  for (const int run : {0, 1}) {
    set_thread_count(run == 0 ? 3 : 1);
    std::vector<float> y = x, fresh(x.size()), mean(40), variance(40), dx = x, through = d, dscale(40), dbias(40);
    batch_norm_forward(a.view(),
                       {run ? y.data() : x.data(), scale.data(), bias.data(), residual.data(), true, 1e-5,
                        run ? y.data() : fresh.data(), mean.data(), variance.data()},
                       scratch.data());
    if (run == 0) y = fresh;
    std::vector<float> fresh_dx(x.size()), fresh_through(x.size());
    batch_norm_backward(a.view(),
                        {run ? through.data() : d.data(), nullptr, run ? dx.data() : x.data(), scale.data(),
                         mean.data(), variance.data(), nullptr, y.data(), 1e-5, run ? dx.data() : fresh_dx.data(),
                         dscale.data(), dbias.data(), run ? through.data() : fresh_through.data()},
                        scratch.data());
    if (run == 0) dx = fresh_dx, through = fresh_through;
    results[run] = {y, mean, variance, dx, through, dscale, dbias};
  }
  set_thread_count(threads);
  for (size_t k = 0; k < results[0].size(); ++k) EXPECT_EQ(results[0][k], results[1][k]) << "result " << k;
}

}  // namespace
}  // namespace fovea::kernels
