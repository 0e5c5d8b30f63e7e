// Fourier: x[y,u] = (1/HW) Σ_k Σ_l Re( (a + ib)[k,l] e^{2πi(ky/H + lu/W)} ), the sum over all l of the spectrum of a
// real picture, of which only l ≤ W/2 is kept: c_l = 1 for l = 0 and l = W/2 (W even), else 2. As matrices: with U the
// inverse transform along y, R + iI = U (A + iB), then x = R·C − I·S with C[l,u] = c_l cos(2πlu/W) / W, S likewise.
// Source: Olah, Mordvintsev, Schubert, "Feature visualization", Distill 2017; numbers of tensorflow/lucid.
#include "fovea/insight/parametrisation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/ops/add.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

constexpr double kLucidScale = 4;  // Lucid divides by it

// One number a channel, to be broadcast against [N,C,H,W].
Value channel_constant(Graph& graph, const std::vector<double>& values) {
  Tensor t(DType::f32, {1, static_cast<int64_t>(values.size()), 1, 1});
  for (size_t i = 0; i < values.size(); ++i) t.set(static_cast<int64_t>(i), values[i]);
  return constant(graph, t);
}

bool all_are(const std::vector<double>& values, double what) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return std::abs(v - what) < 1e-9; });
}

double of_channel(const std::vector<double>& values, size_t channel, double otherwise) {
  return values.empty() ? otherwise : values[std::min(channel, values.size() - 1)];
}

// The network's channel that holds channel c of levels.
size_t network_channel(const Preprocess& how, size_t c) { return how.colour == "bgr" ? 2 - c : c; }

// The matrix [C',C] applied to the channels of x [N,C,H,W].
Value mix_channels(Graph& graph, Value x, const Tensor& matrix) {
  const Shape shape = graph.shape(x);
  const Value flat = reshape(graph, x, Shape{shape[0], shape[1], shape[2] * shape[3]});
  return reshape(graph, matmul(graph, constant(graph, matrix), flat), shape);
}

Tensor matrix_of(int64_t rows, int64_t columns, auto&& value) {
  Tensor t(DType::f32, {rows, columns});
  auto data = t.data<float>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) data[static_cast<size_t>(r * columns + c)] = static_cast<float>(value(r, c));
  return t;
}

// cos or sin of 2π·k·n/N, exact in its argument for large products.
double wave(bool sine, int64_t k, int64_t n, int64_t size) {
  const double angle = 2 * std::numbers::pi * static_cast<double>((k * n) % size) / static_cast<double>(size);
  return sine ? std::sin(angle) : std::cos(angle);
}

// [1,1,2,H,K]: what amplitudes are multiplied by, real and imaginary parts alike.
Tensor amplitude_scale(int64_t height, int64_t width, double decay) {
  const int64_t half = width / 2 + 1;
  Tensor t(DType::f32, {1, 1, 2, height, half});
  auto data = t.data<float>();
  const double least = 1.0 / static_cast<double>(std::max(height, width));
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t k = 0; k < height; ++k)
      for (int64_t l = 0; l < half; ++l) {
        const double fy = static_cast<double>(std::min(k, height - k)) / static_cast<double>(height);
        const double fx = static_cast<double>(l) / static_cast<double>(width);
        const double f = std::max(std::sqrt(fy * fy + fx * fx), least);
        data[static_cast<size_t>((part * height + k) * half + l)] =
            static_cast<float>(std::sqrt(static_cast<double>(height * width)) / std::pow(f, decay) / kLucidScale);
      }
  return t;
}

// amplitudes [N,C,2,H,K] → pictures [N,C,H,W].
Value inverse_transform(Graph& graph, Value amplitudes, int64_t width) {
  const Shape s = graph.shape(amplitudes);
  const int64_t height = s[3], half = s[4];
  const double per_row = 1 / static_cast<double>(height), per_column = 1 / static_cast<double>(width);
  // Rows 0..H−1 give R, the others I; columns 0..H−1 take A, the others B.
  const Tensor vertical = matrix_of(2 * height, 2 * height, [&](int64_t r, int64_t c) {
    const bool imaginary = r >= height, of_b = c >= height;
    const double value = wave(imaginary != of_b, r % height, c % height, height) * per_row;
    return !imaginary && of_b ? -value : value;
  });
  const auto horizontal = [&](bool sine) {
    return matrix_of(half, width, [&](int64_t l, int64_t u) {
      const double count = l == 0 || 2 * l == width ? 1 : 2;
      return (sine ? -1 : 1) * count * wave(sine, l, u, width) * per_column;
    });
  };
  const Value stacked = reshape(graph, amplitudes, Shape{s[0] * s[1], 2 * height, half});
  const Value rows = matmul(graph, constant(graph, vertical), stacked);
  const Value real = matmul(graph, slice(graph, rows, 1, 0, height), constant(graph, horizontal(false)));
  const Value imaginary = matmul(graph, slice(graph, rows, 1, height, 2 * height), constant(graph, horizontal(true)));
  return reshape(graph, add(graph, real, imaginary), Shape{s[0], s[1], height, width});
}

Tensor colour_matrix() {
  double longest = 0;
  for (size_t c = 0; c < 3; ++c)
    longest = std::max(longest, std::hypot(kColourRoot[0][c], kColourRoot[1][c], kColourRoot[2][c]));
  return matrix_of(3, 3, [&](int64_t r, int64_t c) {
    return kColourRoot[static_cast<size_t>(r)][static_cast<size_t>(c)] / longest;
  });
}

// 0..1 with the middle at 0.
Value bounded(Graph& graph, Value x, const std::string& bounds) {
  if (bounds == "sigmoid") return sigmoid(graph, x);
  const Value shifted = shift(graph, x, 0.5);
  return bounds == "clip" ? clip(graph, shifted, {.min = 0, .max = 1}) : shifted;
}

Value sphere(Graph& graph, Value p, double norm) {
  const Value squares = reduce(graph, mul(graph, p, p), {.axes = {1, 2, 3}, .keep = true});
  return scale(graph, div(graph, p, sqrt(graph, squares)), norm);
}

}  // namespace

std::vector<double> centre_colour(const Preprocess& how) {
  const auto channels = static_cast<size_t>(level_channels(how));
  std::vector<double> centre(channels, 127.5);
  if (all_are(how.mean, 0)) return centre;
  for (size_t c = 0; c < channels; ++c) centre[c] = of_channel(how.mean, network_channel(how, c), 0) / how.scale;
  return centre;
}

int64_t level_channels(const Preprocess& how) { return how.colour == "grey" ? 1 : 3; }

Value network_input(Graph& graph, Value levels, const Preprocess& how) {
  const std::vector<double> centre = centre_colour(how);
  const size_t channels = centre.size();
  std::vector<double> factor(channels), offset(channels);
  for (size_t c = 0; c < channels; ++c) {
    const size_t own = network_channel(how, c);
    const double deviation = of_channel(how.std, own, 1);
    factor[own] = how.scale / deviation;
    offset[own] = (centre[c] * how.scale - of_channel(how.mean, own, 0)) / deviation;
  }
  Value x = levels;
  if (how.colour == "bgr") x = mix_channels(graph, x, matrix_of(3, 3, [](int64_t r, int64_t c) { return r + c == 2; }));
  if (!all_are(factor, 1)) x = mul(graph, x, channel_constant(graph, factor));
  return all_are(offset, 0) ? x : add(graph, x, channel_constant(graph, offset));
}

Image level_image(const Tensor& levels, int64_t n, const Preprocess& how) {
  const std::vector<double> centre = centre_colour(how);
  const auto channels = static_cast<int64_t>(centre.size());
  require(levels.rank() == 4 && levels.size(1) == channels && n >= 0 && n < levels.size(0), ErrorKind::internal,
          "picture {} of {}", n, to_string(levels.shape()));
  const int64_t height = levels.size(2), width = levels.size(3);
  Image image(static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels));
  const auto data = levels.data<float>();
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* row = image.row(static_cast<int>(y));
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        const double v = centre[static_cast<size_t>(c)] +
                         static_cast<double>(data[static_cast<size_t>(((n * channels + c) * height + y) * width + x)]);
        row[x * channels + c] = static_cast<uint8_t>(std::clamp(std::lround(v), 0L, 255L));
      }
  }
  return image;
}

Tensor image_levels(const Image& fitted, const Preprocess& how) {
  const std::vector<double> centre = centre_colour(how);
  const auto channels = static_cast<int64_t>(centre.size());
  const Image picture = channels == 1 ? fitted.to_grey() : fitted.to_rgb();
  Tensor levels(DType::f32, {1, channels, picture.height(), picture.width()});
  auto data = levels.data<float>();
  size_t i = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int y = 0; y < picture.height(); ++y)
      for (int x = 0; x < picture.width(); ++x)
        data[i++] = static_cast<float>(picture.at(x, y, static_cast<int>(c)) - centre[static_cast<size_t>(c)]);
  return levels;
}

const std::vector<std::string>& parametrisation_kinds() {
  static const std::vector<std::string> kinds = {"fourier", "pixels", "sphere"};
  return kinds;
}

Parametrised parametrise(Graph& graph, const ParametrisationSettings& settings, const Shape& levels,
                         const Preprocess& how) {
  const auto& kinds = parametrisation_kinds();
  require(std::find(kinds.begin(), kinds.end(), settings.kind) != kinds.end(), ErrorKind::usage,
          "there is no parametrisation \"{}\"; known: {}{}", settings.kind, fmt::join(kinds, ", "),
          did_you_mean(settings.kind, kinds));
  require(levels.rank() == 4 && levels[2] >= 2 && levels[3] >= 2, ErrorKind::usage,
          "pictures of {}, expected at least 2x2 pixels", to_string(levels));
  if (settings.kind != "fourier") {
    const Value p = input(graph, kParameter, {DType::f32, levels});
    if (settings.kind == "sphere") return {p, sphere(graph, p, settings.norm)};
    if (settings.bounds != "sigmoid") return {p, p};
    const Value pixels = scale(graph, sigmoid(graph, scale(graph, p, 4.0 / 255)), 255);
    return {p, sub(graph, pixels, channel_constant(graph, centre_colour(how)))};
  }
  const Value amplitudes =
      input(graph, kParameter, {DType::f32, {levels[0], levels[1], 2, levels[2], levels[3] / 2 + 1}});
  const Value scaled = mul(graph, amplitudes, constant(graph, amplitude_scale(levels[2], levels[3], settings.decay)));
  Value x = inverse_transform(graph, scaled, levels[3]);
  if (settings.decorrelate && levels[1] == 3) x = mix_channels(graph, x, colour_matrix());
  x = scale(graph, bounded(graph, x, settings.bounds), 255);
  return {amplitudes, sub(graph, x, channel_constant(graph, centre_colour(how)))};
}

Tensor random_start(const Graph& graph, const Parametrised& parametrised, const ParametrisationSettings& settings,
                    const std::vector<Rng>& generators) {
  Tensor start(DType::f32, graph.shape(parametrised.parameter));
  require(static_cast<int64_t>(generators.size()) == start.size(0), ErrorKind::internal, "{} generators for {}",
          generators.size(), to_string(start.shape()));
  auto data = start.data<float>();
  const size_t each = data.size() / generators.size();
  const double deviation = settings.deviation * (settings.kind == "fourier" ? 1 : 255);
  for (size_t n = 0; n < generators.size(); ++n)
    for (size_t i = 0; i < each; ++i) data[n * each + i] = static_cast<float>(deviation * generators[n].normal(i));
  return start;
}

}  // namespace fovea
