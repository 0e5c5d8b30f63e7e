// Strokes of a brush: each begins somewhere and takes steps along a field of directions. The field is that of vortices,
// v = Σ s_k r⊥ e^(−|r|²/w²) with r the way from the k-th one's middle, added to a slow wave that runs across.
#include "fovea/data/drawn_painting.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"

namespace fovea {

namespace {

constexpr int kWhirls = 4;
using Colour = std::array<double, 3>;

// From the depth of the whirls to what lies between them, 0..1.
constexpr std::array<Colour, 5> kPalette = {
    {{0.95, 0.78, 0.30}, {0.55, 0.72, 0.62}, {0.16, 0.42, 0.62}, {0.09, 0.20, 0.45}, {0.05, 0.09, 0.24}}};

struct Field {
  struct Whirl {
    double x, y, turn, width;
  };
  std::array<Whirl, kWhirls> whirls;
  double phase;

  explicit Field(const Rng& rng) : phase(2 * std::numbers::pi * rng.uniform_double(100)) {
    for (size_t k = 0; k < kWhirls; ++k) {
      const auto u = [&](uint64_t i) { return rng.uniform_double(10 * k + i); };
      // One in each quarter, so that no part stays empty.
      whirls[k] = {0.5 * static_cast<double>(k % 2) + 0.1 + 0.3 * u(0),
                   0.5 * static_cast<double>(k / 2) + 0.1 + 0.3 * u(1), u(2) < 0.5 ? -1.0 : 1.0, 0.1 + 0.1 * u(3)};
    }
  }

  double angle(double x, double y) const {
    double vx = 0.35, vy = 0.15 * std::sin(2 * std::numbers::pi * x + phase);
    for (const Whirl& whirl : whirls) {
      const double dx = x - whirl.x, dy = y - whirl.y, strength = near(whirl, dx, dy) * whirl.turn / whirl.width;
      vx -= 1.5 * strength * dy;
      vy += 1.5 * strength * dx;
    }
    return std::atan2(vy, vx);
  }

  // 1 in the middle of a whirl, 0 far from all.
  double depth(double x, double y) const {
    double most = 0;
    for (const Whirl& whirl : whirls) most = std::max(most, near(whirl, x - whirl.x, y - whirl.y));
    return most;
  }

 private:
  static double near(const Whirl& whirl, double dx, double dy) {
    return std::exp(-(dx * dx + dy * dy) / (whirl.width * whirl.width));
  }
};

Colour colour_at(double t) {
  const double place = std::clamp(t, 0.0, 1.0) * (kPalette.size() - 1);
  const size_t below = std::min(static_cast<size_t>(place), kPalette.size() - 2);
  const double part = place - static_cast<double>(below);
  Colour colour;
  for (size_t c = 0; c < 3; ++c) colour[c] = (1 - part) * kPalette[below][c] + part * kPalette[below + 1][c];
  return colour;
}

// Mixes a disc's colour into the picture, `cover` of it at most.
void dab(Image& image, double x, double y, double radius, const Colour& colour, double cover) {
  const int size = image.width();
  const auto first = [&](double at) { return std::max(0, static_cast<int>(std::floor(at - radius - 1))); };
  const auto last = [&](double at) { return std::min(size - 1, static_cast<int>(std::ceil(at + radius + 1))); };
  for (int row = first(y); row <= last(y); ++row)
    for (int column = first(x); column <= last(x); ++column) {
      const double inside = std::clamp(radius + 0.5 - std::hypot(column + 0.5 - x, row + 0.5 - y), 0.0, 1.0);
      uint8_t* pixel = image.row(row) + 3 * column;
      for (size_t c = 0; c < 3; ++c)
        pixel[c] = static_cast<uint8_t>(std::lround(pixel[c] + inside * cover * (255 * colour[c] - pixel[c])));
    }
}

}  // namespace

Image draw_painting(int size, const Rng& rng) {
  require(size >= 16 && size <= 2048, ErrorKind::usage, "a painting is 16 to 2048 pixels wide, not {}", size);
  const Field field(rng.fork("whirls"));
  const Rng strokes = rng.fork("strokes");
  Image image(size, size, 3);
  for (int i = 0; i < size * size; ++i)
    for (size_t c = 0; c < 3; ++c)
      image.samples()[static_cast<size_t>(i) * 3 + c] = static_cast<uint8_t>(255 * kPalette[3][c]);
  uint64_t number = 0;
  for (const double radius : {0.014, 0.009, 0.006}) {  // of the brush, of the picture's size
    constexpr int kSteps = 24;
    const int count = static_cast<int>(0.12 / (radius * radius));
    for (int stroke = 0; stroke < count; ++stroke, ++number) {
      const auto u = [&](uint64_t i) { return strokes.uniform_double(8 * number + i); };
      double x = u(0), y = u(1);
      Colour colour = colour_at(1 - field.depth(x, y) + 0.35 * (u(2) - 0.5));
      for (double& c : colour) c = std::clamp(c + 0.16 * (u(3) - 0.5), 0.0, 1.0);
      for (int step = 0; step < kSteps; ++step) {
        dab(image, x * size, y * size, radius * size * (1 - 0.5 * step / kSteps), colour, 0.7);
        const double angle = field.angle(x, y);
        x += 0.4 * radius * std::cos(angle);
        y += 0.4 * radius * std::sin(angle);
      }
    }
  }
  return image;
}

}  // namespace fovea
