#include "fovea/data/drawn.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"

namespace fovea {

namespace {

constexpr double kPi = std::numbers::pi;

// Signed distance of (x, y) to a shape of radius 1 around the origin, negative inside. Source: exact distances for disc
// and ring, the greatest distance to an edge for polygons, which is exact inside.
double distance_to(int64_t label, double x, double y) {
  const double r = std::hypot(x, y);
  switch (label) {
    case 0: return r - 0.9;                                                               // disc
    case 1: return std::max(std::abs(x), std::abs(y)) - 0.78;                             // square
    case 2: return std::max({y * -1.0, y * 0.5 + x * 0.866, y * 0.5 - x * 0.866}) - 0.5;  // triangle
    case 3: {                                                                             // cross
      const double a = std::max(std::abs(x) - 0.95, std::abs(y) - 0.28),
                   b = std::max(std::abs(y) - 0.95, std::abs(x) - 0.28);
      return std::min(a, b);
    }
    case 4: return std::abs(r - 0.72) - 0.2;  // ring
    default: {                                // star with five points
      const double sector = 2 * kPi / 5, angle = std::abs(std::remainder(std::atan2(y, x), sector));
      const double px = r * std::cos(angle), py = r * std::sin(angle);
      // The edge from the tip (1, 0) to the notch at 36 degrees, 0.42 from the middle.
      const double nx = 0.42 * std::cos(sector / 2), ny = 0.42 * std::sin(sector / 2);
      const double ex = nx - 1, ey = ny, length = std::hypot(ex, ey);
      return ((px - 1) * ey - py * ex) / length;
    }
  }
}

struct Colour {
  double r, g, b;
};
Colour mixed(const Colour& a, const Colour& b, double t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}
double lightness(const Colour& c) { return 0.3 * c.r + 0.59 * c.g + 0.11 * c.b; }

}  // namespace

Image draw_shape(int64_t label, int size, const Rng& rng) {
  const Rng choice = rng.fork("choice"), grain = rng.fork("grain");
  const auto u = [&](uint64_t i) { return choice.uniform_double(i); };
  const Colour back_a{u(0), u(1), u(2)}, back_b{u(3), u(4), u(5)};
  Colour ink{u(6), u(7), u(8)};
  const double ground = lightness(mixed(back_a, back_b, 0.5));
  for (uint64_t k = 9; std::abs(lightness(ink) - ground) < 0.28 && k < 60; k += 3) ink = {u(k), u(k + 1), u(k + 2)};
  const double radius = size * (0.2 + 0.2 * u(100)), turn = 2 * kPi * u(101), slope = 2 * kPi * u(102),
               noise = 0.03 + 0.05 * u(103);
  const double cx = radius + (size - 2 * radius) * u(104), cy = radius + (size - 2 * radius) * u(105);
  Image image(size, size, 3);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      const double dx = (x + 0.5 - cx) / radius, dy = (y + 0.5 - cy) / radius;
      const double d =
          distance_to(label, dx * std::cos(turn) + dy * std::sin(turn), dy * std::cos(turn) - dx * std::sin(turn)) *
          radius;
      const double cover = std::clamp(0.5 - d, 0.0, 1.0);
      const double t = 0.5 + ((x - size / 2.0) * std::cos(slope) + (y - size / 2.0) * std::sin(slope)) / size;
      const Colour c = mixed(mixed(back_a, back_b, std::clamp(t, 0.0, 1.0)), ink, cover);
      const double values[3] = {c.r, c.g, c.b};
      for (int k = 0; k < 3; ++k) {
        const uint64_t index = (static_cast<uint64_t>(y) * static_cast<uint64_t>(size) + static_cast<uint64_t>(x)) * 3 +
                               static_cast<uint64_t>(k);
        const double v = values[k] + noise * (grain.uniform_double(index) - 0.5) * 2;
        image.row(y)[x * 3 + k] = static_cast<uint8_t>(std::lround(std::clamp(v, 0.0, 1.0) * 255));
      }
    }
  return image;
}

int64_t DrawnShapes::label(int64_t index) const {
  require(index >= 0 && index < count_, ErrorKind::usage, "there is no picture {} of {}", index, count_);
  return static_cast<int64_t>(Rng(key_).fork(static_cast<uint64_t>(index)).below(0, classes().size()));
}

Sample DrawnShapes::get(int64_t index) const {
  const int64_t shape = label(index);
  return {draw_shape(shape, size_, Rng(key_).fork(static_cast<uint64_t>(index))), shape};
}

const std::vector<std::string>& DrawnShapes::classes() const {
  static const std::vector<std::string> names = {"disc", "square", "triangle", "cross", "ring", "star"};
  return names;
}

}  // namespace fovea
