// A scene is some coloured areas, each over those before it: pixel = (1 - a) · pixel + a · colour, where a is the share
// of the pixel that the area covers (4 x 4 points are tried) times its opacity, and the colour goes from the area's top
// to its bottom. The outlines were drawn by hand in a unit square, y down.
#include "fovea/data/drawn_scenes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"

namespace fovea {

namespace {

struct Point {
  double x, y;
};
using Outline = std::vector<Point>;

struct Colour {
  double r, g, b;
};

struct Area {
  Outline outline;
  Colour top, bottom;
  double opacity = 1;
};

Outline ellipse(double x, double y, double rx, double ry) {
  constexpr int kCorners = 40;
  Outline outline;
  for (int i = 0; i < kCorners; ++i) {
    const double angle = 2 * std::numbers::pi * i / kCorners;
    outline.push_back({x + rx * std::cos(angle), y + ry * std::sin(angle)});
  }
  return outline;
}

Outline box(double x, double y, double width, double height) {
  return {{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}};
}

// Collects areas; those of a thing are scaled and turned around the middle, and moved.
class Scene {
 public:
  explicit Scene(const Rng& rng) : rng_(rng) {}
  // The next number in [0, 1).
  double any() { return rng_.uniform_double(next_++); }
  // The next one in [-1/2, 1/2).
  double around() { return any() - 0.5; }

  void place(double scale, double dx, double dy, double turn = 0) {
    scale_ = scale, dx_ = dx, dy_ = dy, cosine_ = std::cos(turn), sine_ = std::sin(turn);
  }
  void add(Outline outline, const Colour& top, const Colour& bottom, double opacity = 1) {
    for (Point& p : outline) {
      const double x = p.x - 0.5, y = p.y - 0.5;
      p = {0.5 + scale_ * (x * cosine_ - y * sine_) + dx_, 0.5 + scale_ * (x * sine_ + y * cosine_) + dy_};
    }
    areas_.push_back({std::move(outline), top, bottom, opacity});
  }
  void add_sky(const Colour& top, const Colour& bottom) { add(box(0, 0, 1, 1), top, bottom); }
  void add_cloud(double x, double y, double rx, double ry, double opacity) {
    for (int k = 0; k < 4; ++k) {
      const double shrink = 1 - 0.18 * k;
      add(ellipse(x, y, rx * shrink, ry * shrink), {1, 1, 1}, {0.94, 0.955, 0.97}, opacity);
    }
  }
  void add_windows(int count, double x, double y, double step, double width, double height) {
    for (int i = 0; i < count; ++i) add(box(x + i * step, y, width, height), {0.22, 0.30, 0.40}, {0.28, 0.34, 0.43});
  }
  const std::vector<Area>& areas() const { return areas_; }

 private:
  Rng rng_;
  uint64_t next_ = 0;
  std::vector<Area> areas_;
  double scale_ = 1, dx_ = 0, dy_ = 0, cosine_ = 1, sine_ = 0;
};

void draw_airplane(Scene& s) {
  s.add_sky({.30, .50, .80}, {.72, .84, .95});
  s.add_cloud(.15 + .1 * s.around(), .86, .3, .05, .28);
  s.add_cloud(.75 + .1 * s.around(), .92, .4, .06, .28);
  s.add_cloud(.8 + .1 * s.around(), .12, .2, .025, .28);
  const double scale = .92 + .12 * s.any(), dx = .06 * s.around(), dy = .08 * s.around();
  s.place(scale, dx, dy, -.12 + .12 * s.around());
  s.add({{.40, .50}, {.53, .50}, {.60, .33}, {.56, .33}}, {.45, .48, .53}, {.60, .63, .67});   // the far wing
  s.add({{.12, .47}, {.06, .28}, {.125, .28}, {.25, .47}}, {.15, .25, .50}, {.20, .32, .58});  // fin
  s.add({{.05, .45},
         {.12, .44},
         {.30, .435},
         {.75, .435},
         {.84, .45},
         {.90, .475},
         {.925, .505},
         {.90, .53},
         {.80, .55},
         {.30, .555},
         {.18, .53}},
        {.97, .97, .98}, {.62, .65, .70});                                                        // fuselage
  s.add({{.84, .455}, {.875, .468}, {.86, .478}, {.83, .475}}, {.12, .15, .20}, {.2, .22, .28});  // cockpit
  s.add_windows(11, .30, .475, .046, .018, .018);
  s.add({{.10, .485}, {.03, .46}, {.02, .475}, {.09, .515}, {.2, .515}}, {.55, .58, .62}, {.66, .69, .73});  // tail
  s.add({{.37, .525}, {.60, .525}, {.34, .74}, {.285, .74}}, {.70, .73, .77}, {.45, .48, .53});  // the near wing
  s.add(ellipse(.50, .60, .055, .028), {.85, .87, .90}, {.35, .37, .42});                        // engine
}

void draw_sea(Scene& s, double horizon) {
  s.add(box(0, horizon, 1, 1 - horizon), {.22, .42, .55}, {.05, .18, .30});
  constexpr int kWaves = 26;
  for (int i = 0; i < kWaves; ++i) {
    const double depth = .02 + (1 - horizon) * std::pow(double(i) / kWaves, 1.3), x = s.any();
    const double width = .05 + .12 * s.any() * (depth + .2);
    s.add(ellipse(x, horizon + depth, width, .004 + .006 * depth), {.5, .68, .78}, {.4, .6, .7}, .5);
  }
}

void draw_ship(Scene& s) {
  const double horizon = .60 + .04 * s.around();
  s.add_sky({.45, .62, .82}, {.88, .92, .95});
  s.add_cloud(.2 + .2 * s.around(), .18, .25, .04, .25);
  s.add_cloud(.75 + .2 * s.around(), .28, .3, .04, .25);
  draw_sea(s, horizon);
  const double scale = .95 + .1 * s.any();
  s.place(scale, .08 * s.around(), horizon - .58);
  s.add({{.24, .66}, {.88, .66}, {.80, .74}, {.25, .74}}, {.08, .2, .3}, {.1, .25, .36}, .5);  // reflection
  s.add({{.28, .36}, {.48, .36}, {.48, .43}, {.74, .43}, {.74, .56}, {.22, .56}, {.22, .44}, {.28, .44}},
        {.98, .98, .97}, {.80, .82, .84});                                                    // decks
  s.add({{.36, .22}, {.45, .22}, {.46, .36}, {.35, .36}}, {.75, .22, .15}, {.55, .15, .10});  // funnel
  s.add({{.36, .22}, {.45, .22}, {.452, .255}, {.358, .255}}, {.1, .1, .12}, {.1, .1, .12});  // and its soot
  s.add(box(.62, .20, .01, .23), {.3, .3, .32}, {.4, .4, .42});                               // mast
  s.add_windows(10, .25, .465, .048, .026, .02);
  s.add_windows(10, .25, .51, .048, .026, .02);
  s.add({{.08, .53}, {.95, .50}, {.86, .67}, {.14, .67}}, {.16, .20, .30}, {.10, .12, .20});  // hull
  s.add({{.135, .645}, {.87, .64}, {.855, .675}, {.145, .675}}, {.65, .18, .14}, {.45, .12, .10});
  for (int i = 0; i < 9; ++i) s.add(ellipse(.12 + i * .085, .68, .05, .008), {.95, .97, .98}, {.8, .88, .92}, .7);
}

void draw_automobile(Scene& s) {
  struct Paint {
    Colour top, bottom;
  };
  static constexpr Paint kPaints[] = {
      {{.82, .12, .10}, {.50, .05, .05}}, {{.12, .30, .70}, {.06, .14, .40}}, {{.85, .70, .12}, {.55, .42, .05}}};
  s.add_sky({.62, .74, .88}, {.90, .93, .95});
  s.add({{0, .42}, {.2, .36}, {.45, .40}, {.7, .35}, {1, .41}, {1, .6}, {0, .6}}, {.32, .45, .30}, {.42, .52, .36});
  s.add(box(0, .56, 1, .44), {.52, .52, .53}, {.38, .38, .39});
  const Paint paint = kPaints[static_cast<size_t>(s.any() * 3)];
  const Colour trim{paint.bottom.r * .55, paint.bottom.g * .55, paint.bottom.b * .55};
  const double scale = .98 + .1 * s.any(), dx = .05 * s.around();
  s.place(scale, dx, .03 * s.around());
  s.add(ellipse(.5, .745, .45, .035), {.12, .12, .13}, {.15, .15, .16}, .75);  // shadow
  s.add({{.05, .56},
         {.08, .50},
         {.24, .475},
         {.36, .35},
         {.42, .33},
         {.62, .33},
         {.70, .36},
         {.80, .47},
         {.92, .50},
         {.955, .56},
         {.95, .68},
         {.90, .715},
         {.10, .715},
         {.05, .68}},
        paint.top, paint.bottom);
  const Colour sky{.55, .68, .78}, dark{.20, .27, .34};
  s.add({{.285, .475}, {.385, .37}, {.49, .365}, {.49, .475}}, sky, dark);  // windows
  s.add({{.515, .475}, {.515, .365}, {.61, .365}, {.67, .385}, {.74, .475}}, sky, dark);
  s.add({{.05, .63}, {.955, .63}, {.95, .66}, {.05, .66}}, trim, trim, .8);
  s.add({{.055, .54}, {.10, .525}, {.105, .565}, {.053, .575}}, {1, .97, .8}, {.95, .9, .7});  // lights
  s.add({{.91, .52}, {.95, .545}, {.952, .58}, {.915, .57}}, {.9, .2, .15}, {.7, .1, .08});
  s.add(box(.56, .52, .06, .01), {.85, .85, .86}, {.6, .6, .6});  // handle
  for (const double x : {.25, .75}) {
    s.add(ellipse(x, .70, .098, .098), {.06, .06, .07}, {.10, .10, .11});
    s.add(ellipse(x, .70, .055, .055), {.80, .81, .83}, {.50, .51, .54});
    s.add(ellipse(x, .70, .018, .018), {.25, .25, .27}, {.2, .2, .22});
  }
}

bool inside(const Outline& outline, double x, double y) {
  bool in = false;
  for (size_t i = 0, j = outline.size() - 1; i < outline.size(); j = i++) {
    const Point a = outline[i], b = outline[j];
    if ((a.y > y) != (b.y > y) && x < a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y)) in = !in;
  }
  return in;
}

// The share of pixel (x, y) that lies inside, by 4 x 4 points.
double covered(const Outline& outline, int x, int y, int size) {
  constexpr int kPoints = 4;
  int in = 0;
  for (int j = 0; j < kPoints; ++j)
    for (int i = 0; i < kPoints; ++i)
      in += inside(outline, (x + (i + 0.5) / kPoints) / size, (y + (j + 0.5) / kPoints) / size);
  return static_cast<double>(in) / (kPoints * kPoints);
}

void paint(const Area& area, int size, std::vector<Colour>& canvas) {
  double left = 1, right = 0, top = 1e30, bottom = -1e30;
  for (const Point& p : area.outline) {
    left = std::min(left, p.x), right = std::max(right, p.x);
    top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const auto pixel = [&](double at) { return static_cast<int>(std::clamp(std::floor(at * size), 0.0, size - 1.0)); };
  for (int y = pixel(top); y <= pixel(bottom); ++y) {
    const double t = std::clamp(((y + 0.5) / size - top) / std::max(bottom - top, 1e-9), 0.0, 1.0);
    const Colour c{area.top.r + (area.bottom.r - area.top.r) * t, area.top.g + (area.bottom.g - area.top.g) * t,
                   area.top.b + (area.bottom.b - area.top.b) * t};
    for (int x = pixel(left); x <= pixel(right); ++x) {
      const double a = area.opacity * covered(area.outline, x, y, size);
      Colour& p = canvas[static_cast<size_t>(y) * static_cast<size_t>(size) + static_cast<size_t>(x)];
      p = {p.r + (c.r - p.r) * a, p.g + (c.g - p.g) * a, p.b + (c.b - p.b) * a};
    }
  }
}

}  // namespace

const std::vector<std::string>& drawn_scenes() {
  static const std::vector<std::string> names = {"airplane", "automobile", "ship"};
  return names;
}

Image draw_scene(std::string_view thing, int size, const Rng& rng) {
  require(size >= 16 && size <= 2048, ErrorKind::usage, "a scene of {} pixels, expected 16 to 2048", size);
  Scene scene(rng.fork("scene"));
  if (thing == "airplane") draw_airplane(scene);
  else if (thing == "automobile") draw_automobile(scene);
  else if (thing == "ship") draw_ship(scene);
  else fail(ErrorKind::usage, "no \"{}\" can be drawn{}", thing, did_you_mean(std::string(thing), drawn_scenes()));
  std::vector<Colour> canvas(static_cast<size_t>(size) * static_cast<size_t>(size), Colour{0, 0, 0});
  for (const Area& area : scene.areas()) paint(area, size, canvas);
  constexpr double kGrain = 0.02;
  const Rng grain = rng.fork("grain");
  Image image(size, size, 3);
  for (size_t i = 0; i < canvas.size(); ++i) {
    const double values[3] = {canvas[i].r, canvas[i].g, canvas[i].b};
    for (size_t k = 0; k < 3; ++k) {
      const double value = values[k] + kGrain * grain.normal(i * 3 + k);
      image.samples()[i * 3 + k] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255));
    }
  }
  return image;
}

}  // namespace fovea
