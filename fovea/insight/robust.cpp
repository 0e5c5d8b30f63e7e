// y[p] = Σ_k w[k,p] x[q[k,p]]:  q, w the four pixels around M p and their bilinear weights, M = rotation · scale and a
// shift. Source: Mordvintsev, Olah, Tyka, "Inceptionism", 2015 (jitter); Olah, Mordvintsev, Schubert, "Feature
// visualization", Distill 2017 ("transformation robustness").
#include "fovea/insight/robust.h"

#include <array>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/ops/add.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

constexpr std::array<const char*, 4> kPlaces = {"view places 0", "view places 1", "view places 2", "view places 3"};
constexpr std::array<const char*, 4> kWeights = {"view weights 0", "view weights 1", "view weights 2",
                                                 "view weights 3"};

bool nothing_to_do(const Shape& picture, int64_t height, int64_t width, const RobustSettings& settings) {
  return settings.empty() && picture[2] == height && picture[3] == width;
}

size_t tap_count(const RobustSettings& settings) { return settings.whole() ? 1 : 4; }

}  // namespace

void check(const RobustSettings& s) {
  const auto fine = [](double v) { return v >= 0 && std::isfinite(v); };
  require(fine(s.jitter) && fine(s.scale) && fine(s.degrees) && s.scale < 1, ErrorKind::usage,
          "views with a jitter of {}, a scale of {} and a rotation of {}: expected 0 or more each, the scale below 1",
          s.jitter, s.scale, s.degrees);
}

View view_of_step(const RobustSettings& settings, const Rng& rng, int64_t step) {
  const Rng own = rng.fork(static_cast<uint64_t>(step));
  const auto around = [&](uint64_t i, double reach) { return (2 * own.uniform_double(i) - 1) * reach; };
  View view{1 + around(0, settings.scale), around(1, settings.degrees), around(2, settings.jitter),
            around(3, settings.jitter)};
  if (!settings.whole()) return view;
  // Every whole number of the range is as likely as any other.
  const auto reach = static_cast<int64_t>(std::floor(settings.jitter));
  const auto whole = [&](uint64_t i) {
    return static_cast<double>(static_cast<int64_t>(own.below(i, static_cast<uint64_t>(2 * reach + 1))) - reach);
  };
  view.shift_y = whole(2);
  view.shift_x = whole(3);
  return view;
}

Value robust_view(Graph& graph, Value picture, int64_t height, int64_t width, const RobustSettings& settings) {
  check(settings);
  const Shape shape = graph.shape(picture);
  require(shape.rank() == 4, ErrorKind::shape, "a view of {}, expected pictures [N,C,H,W]", to_string(shape));
  if (nothing_to_do(shape, height, width, settings)) return picture;
  const Value flat = reshape(graph, picture, Shape{shape[0] * shape[1], shape[2] * shape[3]});
  Value sum;
  for (size_t k = 0; k < tap_count(settings); ++k) {
    const Value places = input(graph, kPlaces[k], {DType::i32, {height * width}});
    const Value weights = input(graph, kWeights[k], {DType::f32, {height * width}});
    const Value part = mul(graph, gather(graph, flat, places, 1), weights);
    sum = sum ? add(graph, sum, part) : part;
  }
  return reshape(graph, sum, Shape{shape[0], shape[1], height, width});
}

std::map<std::string, Tensor> view_feeds(const Shape& picture, int64_t height, int64_t width,
                                         const RobustSettings& settings, const View& view) {
  if (nothing_to_do(picture, height, width, settings)) return {};
  const size_t taps = tap_count(settings);
  std::array<Tensor, 4> places, weights;
  std::array<int32_t*, 4> place{};
  std::array<float*, 4> weight{};
  for (size_t k = 0; k < taps; ++k) {
    places[k] = Tensor(DType::i32, {height * width});
    weights[k] = Tensor(DType::f32, {height * width});
    place[k] = places[k].data<int32_t>().data();
    weight[k] = weights[k].data<float>().data();
  }
  const int64_t rows = picture[2], columns = picture[3];
  const double angle = view.degrees * std::numbers::pi / 180, c = std::cos(angle) / view.scale,
               s = std::sin(angle) / view.scale;
  const double middle_y = static_cast<double>(rows - 1) / 2, middle_x = static_cast<double>(columns - 1) / 2;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const double v = static_cast<double>(y) - static_cast<double>(height - 1) / 2,
                   u = static_cast<double>(x) - static_cast<double>(width - 1) / 2;
      double at_y = middle_y + view.shift_y + c * v - s * u, at_x = middle_x + view.shift_x + s * v + c * u;
      if (taps == 1) {  // sizes of other parity have their middles between pixels
        at_y = std::floor(at_y);
        at_x = std::floor(at_x);
      }
      const double top = std::floor(at_y), left = std::floor(at_x), down = at_y - top, right = at_x - left;
      for (size_t k = 0; k < taps; ++k) {
        const auto row = static_cast<int64_t>(top) + static_cast<int64_t>(k / 2),
                   column = static_cast<int64_t>(left) + static_cast<int64_t>(k % 2);
        const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
        const double share = (k / 2 ? down : 1 - down) * (k % 2 ? right : 1 - right);
        place[k][y * width + x] = inside ? static_cast<int32_t>(row * columns + column) : 0;
        weight[k][y * width + x] = inside ? static_cast<float>(share) : 0.0f;
      }
    }
  std::map<std::string, Tensor> feeds;
  for (size_t k = 0; k < taps; ++k) {
    feeds[kPlaces[k]] = places[k];
    feeds[kWeights[k]] = weights[k];
  }
  return feeds;
}

}  // namespace fovea
