// Pictures from amplitudes and back to a network's input.
#include "fovea/insight/parametrisation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/input.h"
#include "tests/formula.h"

namespace fovea {
namespace {

using Complex = std::complex<double>;

Tensor evaluated(const Graph& graph, const Tensor& parameter, Value want) {
  const Value wants[] = {want};
  return evaluate(graph, {{kParameter, parameter}}, wants)[0];
}

// The inverse transform of a real picture's half spectrum, by its definition.
double wave_sum(const Tensor& a, int64_t plane, int64_t height, int64_t width, int64_t y, int64_t u) {
  const int64_t half = width / 2 + 1;
  Complex sum = 0;
  for (int64_t k = 0; k < height; ++k)
    for (int64_t l = 0; l < width; ++l) {
      // Beyond the half, the spectrum of a real picture is the conjugate of its mirror. What is stored on the axis of
      // mirroring itself need not be symmetric: as numpy's irfft2, only its real part along x counts there.
      const bool stored = l < half;
      const int64_t kk = stored ? k : (height - k) % height, ll = stored ? l : width - l;
      const double scale =
          std::sqrt(static_cast<double>(height * width)) / 4 /
          std::max(std::hypot(static_cast<double>(std::min(kk, height - kk)) / static_cast<double>(height),
                              static_cast<double>(ll) / static_cast<double>(width)),
                   1.0 / static_cast<double>(std::max(height, width)));
      Complex value(a.at(((plane * 2 + 0) * height + kk) * half + ll),
                    a.at(((plane * 2 + 1) * height + kk) * half + ll));
      if (!stored) value = std::conj(value);
      const double angle = 2 * M_PI *
                           (static_cast<double>(k * y) / static_cast<double>(height) +
                            static_cast<double>(l * u) / static_cast<double>(width));
      sum += scale * value * std::polar(1.0, angle);
    }
  return sum.real() / static_cast<double>(height * width);
}

TEST(Parametrisation, FourierIsItsDefinition) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{6, 8}, {5, 7}, {4, 9}}) {
    Preprocess how = preset("grey", height, width);
    Graph graph;
    const Parametrised made = parametrise(graph, {.kind = "fourier", .bounds = "none"}, {2, 1, height, width}, how);
    const Formula random("amplitudes");
    Tensor a(DType::f32, graph.shape(made.parameter));
    for (int64_t i = 0; i < a.count(); ++i) a.set(i, 0.1 * (2 * random(i) - 1));
    const Tensor levels = evaluated(graph, a, made.levels);
    for (int64_t plane = 0; plane < 2; ++plane)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
          const double want = 255 * (wave_sum(a, plane, height, width, y, x) + 0.5) - centre_colour(how)[0];
          EXPECT_NEAR(levels.at((plane * height + y) * width + x), want, 2e-3) << height << "x" << width;
        }
  }
}

// Light of one wave comes out in the colours of the root's first column, the other two axes in theirs.
TEST(Parametrisation, ColoursAreThoseOfTheRoot) {
  const Preprocess how = preset("unit", 4, 4);
  Graph graph;
  const Parametrised made = parametrise(graph, {.kind = "fourier", .bounds = "none"}, {1, 3, 4, 4}, how);
  Tensor a(DType::f32, graph.shape(made.parameter));
  const auto longest = std::sqrt(0.26 * 0.26 + 2 * 0.27 * 0.27);
  for (int64_t axis = 0; axis < 3; ++axis) {
    Tensor one = a;
    one.set(axis * 2 * 4 * 3, 1);  // the constant wave of that axis: 4 · 4 / 4 / 16 = 1/4
    const Tensor levels = evaluated(graph, one, made.levels);
    for (int64_t c = 0; c < 3; ++c)
      EXPECT_NEAR(levels.at(c * 16),
                  255 * 0.25 * kColourRoot[static_cast<size_t>(c)][static_cast<size_t>(axis)] / longest, 1e-3);
  }
}

TEST(Parametrisation, BoundsKeepPixelsWithinTheirRange) {
  const Preprocess how = preset("caffe", 6, 6);
  for (const char* bounds : {"sigmoid", "clip"}) {
    Graph graph;
    const ParametrisationSettings settings{.kind = "fourier", .bounds = bounds, .deviation = 50};
    const Parametrised made = parametrise(graph, settings, {1, 3, 6, 6}, how);
    const Tensor levels = evaluated(graph, random_start(graph, made, settings, {Rng(1)}), made.levels);
    const std::vector<double> centre = centre_colour(how);
    double least = 1e9, most = -1e9;
    for (int64_t i = 0; i < levels.count(); ++i) {
      const double pixel = levels.at(i) + centre[static_cast<size_t>(i / 36)];
      least = std::min(least, pixel);
      most = std::max(most, pixel);
    }
    EXPECT_GE(least, -1e-3) << bounds;
    EXPECT_LE(most, 255 + 1e-3) << bounds;
    EXPECT_LT(least, 5);
    EXPECT_GT(most, 250);
  }
}

TEST(Parametrisation, SpheresHaveTheirNorm) {
  Graph graph;
  const ParametrisationSettings settings{.kind = "sphere", .deviation = 0.3, .norm = 7};
  const Parametrised made = parametrise(graph, settings, {2, 1, 5, 4}, preset("grey", 5, 4));
  const Tensor levels = evaluated(graph, random_start(graph, made, settings, {Rng(1), Rng(2)}), made.levels);
  for (int64_t n = 0; n < 2; ++n) {
    double squares = 0;
    for (int64_t i = 0; i < 20; ++i) squares += levels.at(n * 20 + i) * levels.at(n * 20 + i);
    EXPECT_NEAR(std::sqrt(squares), 7, 1e-4);
  }
}

// What levels mean to the network is what preprocessing makes of the same picture, for every convention.
TEST(Parametrisation, NetworkInputEqualsPreprocessing) {
  for (const char* name : {"torchvision", "caffe", "vgg", "cifar", "unit", "signed", "raw", "grey", "mnist"}) {
    const Preprocess how = preset(name, 5, 6);
    Image picture(6, 5, static_cast<int>(level_channels(how)));
    const Formula u("pixels");
    int64_t i = 0;
    for (uint8_t& sample : picture.samples()) sample = static_cast<uint8_t>(256 * u(i++));
    const Tensor levels = image_levels(picture, how), want = normalise(picture, how);
    Graph graph;
    const Value in = input(graph, "levels", {DType::f32, levels.shape()});
    const Value wants[] = {network_input(graph, in, how)};
    const Tensor got = evaluate(graph, {{"levels", levels}}, wants)[0];
    ASSERT_EQ(got.shape(), want.shape()) << name;
    for (int64_t k = 0; k < got.count(); ++k)
      EXPECT_NEAR(got.at(k), want.at(k), 1e-5 * std::max(1.0, 255 * how.scale)) << name << " " << k;
    EXPECT_EQ(level_image(levels, 0, how), picture) << name;
  }
}

TEST(Parametrisation, TheSameKeyIsTheSameStart) {
  const ParametrisationSettings settings;
  Graph graph;
  const Parametrised made = parametrise(graph, settings, {3, 3, 8, 8}, preset("unit", 8, 8));
  const Tensor a = random_start(graph, made, settings, {Rng(1), Rng(2), Rng(1)});
  const auto data = a.data<float>();
  const size_t each = data.size() / 3;
  EXPECT_TRUE(
      std::equal(data.begin(), data.begin() + static_cast<long>(each), data.begin() + static_cast<long>(2 * each)));
  EXPECT_FALSE(
      std::equal(data.begin(), data.begin() + static_cast<long>(each), data.begin() + static_cast<long>(each)));
  EXPECT_THROW(parametrise(graph, {.kind = "furier"}, {1, 3, 8, 8}, preset("unit", 8, 8)), Error);
}

}  // namespace
}  // namespace fovea
