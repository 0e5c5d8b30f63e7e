// spirals  r = 5 i/n, t = turns i/n 2 pi + arm 2 pi / arms; (r sin t, r cos t) + noise u(-1, 1)
// rings    r in u(0, 2.5) or u(3.5, 5), t in u(0, 2 pi); the class is that of the point with noise u(-5, 5) added
// xor      x, y in u(-5, 5), 0.3 further from 0; the class is that of the point with noise u(-5, 5) added
// blobs    N((2, 2), v) and N((-2, -2), v), the variance v = 0.5 + 7 noise
// moons    (cos t, sin t) and (1 - cos t, 0.5 - sin t), t in 0 .. pi, + N(0, noise^2)
#include "fovea/data/drawn_points.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"

namespace fovea {

namespace {

constexpr double kPi = std::numbers::pi, kRadius = 5;

struct Point {
  double x = 0, y = 0;
  int64_t label = 0;
};

// The numbers of one point.
struct Dice {
  Rng rng;
  double between(uint64_t i, double low, double high) const { return low + (high - low) * rng.uniform_double(i); }
};

// Point i of its class, of n; `share` = (i + phase) / n.
Point spiral(int64_t arm, double share, const PointOptions& o, const Dice& dice) {
  const double r = share * kRadius;
  const double t = o.turns * share * 2 * kPi + 2 * kPi * static_cast<double>(arm) / static_cast<double>(o.arms);
  return {r * std::sin(t) + dice.between(0, -1, 1) * o.noise, r * std::cos(t) + dice.between(1, -1, 1) * o.noise, arm};
}

Point ring(bool inside, const PointOptions& o, const Dice& dice) {
  const double r = inside ? dice.between(0, 0, kRadius * 0.5) : dice.between(0, kRadius * 0.7, kRadius);
  const double angle = dice.between(1, 0, 2 * kPi), x = r * std::sin(angle), y = r * std::cos(angle);
  const double noisy_x = x + dice.between(2, -kRadius, kRadius) * o.noise,
               noisy_y = y + dice.between(3, -kRadius, kRadius) * o.noise;
  return {x, y, std::hypot(noisy_x, noisy_y) < kRadius * 0.5 ? 1 : 0};
}

Point quadrant(const PointOptions& o, const Dice& dice) {
  constexpr double kPadding = 0.3;
  double x = dice.between(0, -5, 5), y = dice.between(1, -5, 5);
  x += x > 0 ? kPadding : -kPadding;
  y += y > 0 ? kPadding : -kPadding;
  const double noisy_x = x + dice.between(2, -5, 5) * o.noise, noisy_y = y + dice.between(3, -5, 5) * o.noise;
  return {x, y, noisy_x * noisy_y >= 0 ? 1 : 0};
}

Point cloud(bool upper, const PointOptions& o, const Dice& dice) {
  const double deviation = std::sqrt(0.5 + 7 * o.noise), middle = upper ? 2 : -2;
  return {middle + deviation * dice.rng.normal(0), middle + deviation * dice.rng.normal(1), upper ? 1 : 0};
}

Point moon(bool lower, const PointOptions& o, const Dice& dice) {
  const double t = dice.between(4, 0, kPi);
  const double x = lower ? 1 - std::cos(t) : std::cos(t), y = lower ? 0.5 - std::sin(t) : std::sin(t);
  return {x + o.noise * dice.rng.normal(0), y + o.noise * dice.rng.normal(1), lower ? 1 : 0};
}

std::vector<std::string> class_names(std::string_view name, int64_t arms) {
  if (name == "xor") return {"unlike signs", "like signs"};
  if (name == "rings") return {"outside", "inside"};
  if (name == "blobs") return {"lower left", "upper right"};
  if (name == "moons") return {"upper", "lower"};
  std::vector<std::string> names;
  for (int64_t arm = 0; arm < arms; ++arm) names.push_back(fmt::format("arm {}", arm));
  return names;
}

void check(const PointOptions& o) {
  require(o.count >= 1 && o.count <= 10000000, ErrorKind::usage, "{} points cannot be drawn, expected 1 to 10000000",
          o.count);
  require(o.noise >= 0 && o.noise <= 100, ErrorKind::usage, "noise={}, expected 0 to 100", o.noise);
  require(o.turns >= 0 && o.turns <= 100, ErrorKind::usage, "turns={}, expected 0 to 100", o.turns);
  require(o.arms >= 2 && o.arms <= 16, ErrorKind::usage, "arms={}, expected 2 to 16", o.arms);
  require(o.phase >= 0 && o.phase < 1, ErrorKind::usage, "a phase of {}, expected 0 to 1", o.phase);
}

}  // namespace

const std::vector<std::string>& point_set_names() {
  static const std::vector<std::string> names = {"spirals", "xor", "rings", "blobs", "moons"};
  return names;
}

std::unique_ptr<TableSet> draw_points(std::string_view name, const PointOptions& options, const Rng& rng) {
  const std::vector<std::string>& known = point_set_names();
  require(std::find(known.begin(), known.end(), name) != known.end(), ErrorKind::usage,
          "there are no points called \"{}\"; known: {}{}", name, fmt::join(known, ", "), did_you_mean(name, known));
  check(options);
  const int64_t groups = name == "spirals" ? options.arms : 2;
  std::vector<float> values;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < options.count; ++i) {
    const Dice dice{rng.fork(static_cast<uint64_t>(i))};
    const int64_t group = i % groups, members = (options.count - group + groups - 1) / groups;
    const double share = (static_cast<double>(i / groups) + options.phase) / static_cast<double>(members);
    const Point p = name == "spirals" ? spiral(group, share, options, dice)
                    : name == "xor"   ? quadrant(options, dice)
                    : name == "rings" ? ring(group == 0, options, dice)
                    : name == "blobs" ? cloud(group == 0, options, dice)
                                      : moon(group == 1, options, dice);
    values.push_back(static_cast<float>(p.x));
    values.push_back(static_cast<float>(p.y));
    labels.push_back(p.label);
  }
  return std::make_unique<TableSet>(Tensor::of(Shape{options.count, 2}, values), std::move(labels),
                                    std::vector<std::string>{"x", "y"}, class_names(name, options.arms),
                                    fmt::format("drawn {}", name));
}

}  // namespace fovea
