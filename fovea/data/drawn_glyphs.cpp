// A digit is some strokes, each a smooth curve through knots (Catmull and Rom: through p1 and p2 with the slopes
// (p2 - p0) / 2 and (p3 - p1) / 2), each knot moved a little; an affine map; then ink = clamp(pen / 2 - distance + 0.5)
// in pixels. Source of the curve: E. Catmull and R. Rom, "A class of local interpolating splines" (1974).
#include "fovea/data/drawn_glyphs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"

namespace fovea {

namespace {

struct Knot {
  double x, y;  // 0..1 across and down the box of a digit
};
using Stroke = std::vector<Knot>;
using Form = std::vector<Stroke>;

// The forms of each digit; a stroke of two knots is straight.
const std::array<std::vector<Form>, 10>& forms() {
  static const std::array<std::vector<Form>, 10> known = {{
      {{{{.5, 0}, {.16, .18}, {.08, .5}, {.18, .85}, {.5, 1}, {.82, .85}, {.92, .5}, {.84, .18}, {.5, 0}}},
       {{{.6, .03}, {.22, .22}, {.1, .62}, {.3, .97}, {.68, .88}, {.9, .5}, {.8, .12}, {.5, .02}}}},
      {{{{.5, 0}, {.5, 1}}}, {{{.28, .2}, {.56, 0}, {.56, 0}, {.54, 1}}}, {{{.58, 0}, {.44, 1}}}},
      {{{{.12, .25}, {.3, .04}, {.62, .0}, {.84, .22}, {.7, .5}, {.4, .78}, {.08, 1}, {.08, 1}, {.92, .98}}},
       {{{.14, .2}, {.45, 0}, {.82, .18}, {.68, .55}, {.3, .92}, {.14, .84}, {.3, .76}, {.6, .9}, {.95, .96}}}},
      {{{{.14, .1}, {.5, 0}, {.84, .18}, {.7, .42}, {.42, .48}, {.42, .48}, {.8, .58}, {.88, .82}, {.5, 1}, {.1, .9}}},
       {{{.15, .02}, {.85, .02}, {.85, .02}, {.48, .4}, {.48, .4}, {.85, .58}, {.8, .9}, {.42, 1}, {.1, .88}}}},
      {{{{.3, 0}, {.1, .56}, {.1, .56}, {.92, .54}}, {{.72, .1}, {.68, 1}}},
       {{{.68, 1}, {.7, 0}, {.7, 0}, {.06, .66}, {.06, .66}, {.96, .64}}}},
      {{{{.86, .02},
         {.24, .02},
         {.24, .02},
         {.18, .44},
         {.18, .44},
         {.6, .38},
         {.88, .62},
         {.72, .94},
         {.36, 1},
         {.08, .86}}},
       {{{.24, .04}, {.2, .46}, {.2, .46}, {.62, .42}, {.86, .68}, {.66, .96}, {.1, .96}}, {{.24, .04}, {.88, .0}}}},
      {{{{.7, 0}, {.32, .28}, {.12, .68}, {.3, .98}, {.7, .96}, {.86, .7}, {.62, .5}, {.3, .58}, {.14, .74}}},
       {{{.42, 0}, {.14, .5}, {.2, .92}, {.56, 1}, {.84, .78}, {.66, .54}, {.3, .62}, {.16, .78}}}},
      {{{{.08, .04}, {.9, .02}, {.9, .02}, {.58, .45}, {.42, 1}}},
       {{{.08, .04}, {.9, .02}, {.9, .02}, {.4, 1}}, {{.3, .52}, {.84, .48}}}},
      {{{{.5, .46}, {.2, .26}, {.46, 0}, {.8, .2}, {.5, .46}, {.14, .76}, {.46, 1}, {.86, .78}, {.5, .46}}},
       {{{.78, .12}, {.4, .02}, {.2, .24}, {.5, .46}, {.82, .74}, {.5, 1}, {.16, .8}, {.46, .5}, {.78, .14}}}},
      {{{{.84, .3}, {.6, .5}, {.24, .44}, {.2, .14}, {.54, 0}, {.84, .16}, {.84, .3}, {.8, .66}, {.6, 1}}},
       {{{.84, .06}, {.4, .02}, {.16, .28}, {.4, .5}, {.8, .3}, {.84, .06}, {.84, .06}, {.78, 1}}}},
  }};
  return known;
}

struct Segment {
  double x0, y0, x1, y1;
};

// A smooth curve through the knots as short straight pieces; two equal knots make a corner.
void add_curve(const Stroke& knots, std::vector<Segment>& out) {
  constexpr int kPieces = 6;
  const auto same = [](const Knot& a, const Knot& b) { return a.x == b.x && a.y == b.y; };
  for (size_t i = 0; i + 1 < knots.size(); ++i) {
    const Knot &b = knots[i], &c = knots[i + 1];
    if (same(b, c)) continue;
    const Knot &a = i > 0 ? knots[i - 1] : b, &d = i + 2 < knots.size() ? knots[i + 2] : c;
    const int pieces = knots.size() == 2 ? 1 : kPieces;
    Knot last = b;
    for (int k = 1; k <= pieces; ++k) {
      const double t = static_cast<double>(k) / pieces, t2 = t * t, t3 = t2 * t;
      const auto at = [&](double pa, double pb, double pc, double pd) {
        return 0.5 * (2 * pb + (pc - pa) * t + (2 * pa - 5 * pb + 4 * pc - pd) * t2 + (3 * pb - pa - 3 * pc + pd) * t3);
      };
      const Knot next{at(a.x, b.x, c.x, d.x), at(a.y, b.y, c.y, d.y)};
      out.push_back({last.x, last.y, next.x, next.y});
      last = next;
    }
  }
}

double squared_distance(const Segment& s, double x, double y) {
  const double dx = s.x1 - s.x0, dy = s.y1 - s.y0, length = dx * dx + dy * dy;
  const double t = length > 0 ? std::clamp(((x - s.x0) * dx + (y - s.y0) * dy) / length, 0.0, 1.0) : 0.0;
  const double px = x - s.x0 - t * dx, py = y - s.y0 - t * dy;
  return px * px + py * py;
}

// The strokes of one digit in pixels.
std::vector<Segment> strokes(int64_t digit, const GlyphOptions& o, const Rng& rng) {
  const Rng choice = rng.fork("form"), bend = rng.fork("bend");
  const auto around = [&](uint64_t i, double most) { return o.vary * most * (2 * choice.uniform_double(i) - 1); };
  const std::vector<Form>& known = forms()[static_cast<size_t>(digit)];
  const Form& form = known[choice.below(0, known.size())];
  // Proportions and place: digits of MNIST fill a box of 20 of 28 pixels, slanted to the right more than to the left.
  const double height = 0.70 * o.size * (1 + around(1, 0.15)), width = 0.46 * o.size * (1 + around(2, 0.28));
  const double slant = o.vary * 0.12 + around(3, 0.3), turn = around(4, 0.16);
  const double middle_x = o.size * (0.5 + around(5, 0.05)), middle_y = o.size * (0.5 + around(6, 0.05));
  const double c = std::cos(turn), s = std::sin(turn);
  std::vector<Segment> pieces;
  uint64_t number = 0;
  for (const Stroke& stroke : form) {
    Stroke moved;
    for (size_t k = 0; k < stroke.size(); ++k) {
      const bool corner = k > 0 && stroke[k].x == stroke[k - 1].x && stroke[k].y == stroke[k - 1].y;
      if (corner) {
        moved.push_back(moved.back());
        continue;
      }
      const double bent_x = stroke[k].x + o.vary * 0.035 * bend.normal(number),
                   bent_y = stroke[k].y + o.vary * 0.03 * bend.normal(number + 1);
      number += 2;
      const double y = (bent_y - 0.5) * height, x = (bent_x - 0.5) * width - slant * y;
      moved.push_back({middle_x + c * x - s * y, middle_y + s * x + c * y});
    }
    add_curve(moved, pieces);
  }
  return pieces;
}

}  // namespace

Image draw_glyph(int64_t digit, const GlyphOptions& options, const Rng& rng) {
  require(digit >= 0 && digit < 10, ErrorKind::usage, "there is no digit {}", digit);
  const std::vector<Segment> pieces = strokes(digit, options, rng);
  const Rng pen_choice = rng.fork("pen"), grain = rng.fork("grain");
  const double pen = options.size / 28.0 * (2.4 + options.vary * 1.1 * (2 * pen_choice.uniform_double(0) - 1));
  const double ink = 1 - options.vary * 0.15 * pen_choice.uniform_double(1);
  Image image(options.size, options.size, 1);
  for (int y = 0; y < options.size; ++y)
    for (int x = 0; x < options.size; ++x) {
      double nearest = 1e30;
      for (const Segment& piece : pieces) nearest = std::min(nearest, squared_distance(piece, x + 0.5, y + 0.5));
      double value = ink * std::clamp(pen / 2 - std::sqrt(nearest) + 0.5, 0.0, 1.0);
      if (options.noise > 0)
        value += options.noise * grain.normal(static_cast<uint64_t>(y) * static_cast<uint64_t>(options.size) +
                                              static_cast<uint64_t>(x));
      image.row(y)[x] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255));
    }
  return image;
}

DrawnGlyphs::DrawnGlyphs(const GlyphOptions& options, uint64_t key) : options_(options), key_(key) {
  require(options.count >= 1 && options.count <= 1000000000, ErrorKind::usage,
          "{} glyphs cannot be drawn, expected 1 to 10^9", options.count);
  require(options.size >= 8 && options.size <= 256, ErrorKind::usage, "size={}, expected 8 to 256", options.size);
  require(options.vary >= 0 && options.vary <= 3, ErrorKind::usage, "vary={}, expected 0 to 3", options.vary);
  require(options.noise >= 0 && options.noise <= 1, ErrorKind::usage, "noise={}, expected 0 to 1", options.noise);
}

int64_t DrawnGlyphs::label(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
  // Ten after ten, each ten in another order.
  const Rng rng = Rng(key_).fork("order").fork(static_cast<uint64_t>(index / 10));
  std::array<int64_t, 10> order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (uint64_t i = 10; i > 1; --i) std::swap(order[i - 1], order[rng.below(i, i)]);
  return order[static_cast<size_t>(index % 10)];
}

Sample DrawnGlyphs::get(int64_t index) const {
  const int64_t digit = label(index);
  return {draw_glyph(digit, options_, Rng(key_).fork(static_cast<uint64_t>(index))), digit};
}

const std::vector<std::string>& DrawnGlyphs::classes() const {
  static const std::vector<std::string> names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  return names;
}

}  // namespace fovea
