#include "fovea/report/decision_surface.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int64_t kMostPoints = 4000;
constexpr int kCell = 2;             // pixels for which the network is asked once
constexpr double kStrongest = 0.62;  // share of a class's colour where the network is sure; the rest is paper

struct Range {
  double least = INFINITY, most = -INFINITY;
  void add(double v) { least = std::min(least, v), most = std::max(most, v); }
  Range with_margin() const {
    const double room = most > least ? 0.06 * (most - least) : 1;
    return {least - room, most + room};
  }
};

struct Point {
  float x, y;
  int64_t label;
};

std::vector<Point> points_of(const Dataset& data) {
  std::vector<Point> points;
  const int64_t step = std::max<int64_t>(1, (data.size() + kMostPoints - 1) / kMostPoints);
  for (int64_t i = 0; i < data.size(); i += step) {
    const Sample sample = data.get(i);
    require(sample.has_values() && sample.values.count() == 2, ErrorKind::usage,
            "{}: a decision surface needs rows of two numbers", data.name(i));
    const auto v = std::as_const(sample.values).data<float>();
    points.push_back({v[0], v[1], sample.label});
  }
  return points;
}

// White mixed with the classes' colours.
Rgb mixed(const double* log_probabilities, int64_t classes) {
  double r = 0, g = 0, b = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const double p = std::exp(log_probabilities[c]);
    const Rgb colour = class_colour(c);
    r += p * colour.r, g += p * colour.g, b += p * colour.b;
  }
  const auto pale = [](double v) { return static_cast<uint8_t>(std::clamp(255 + kStrongest * (v - 255), 0.0, 255.0)); };
  return {pale(r), pale(g), pale(b)};
}

void fill(Image& canvas, int x, int y, Rgb colour) {
  for (int dy = 0; dy < kCell && y + dy < canvas.height(); ++dy)
    for (int dx = 0; dx < kCell && x + dx < canvas.width(); ++dx) {
      uint8_t* pixel = canvas.row(y + dy) + 3 * (x + dx);
      pixel[0] = colour.r, pixel[1] = colour.g, pixel[2] = colour.b;
    }
}

}  // namespace

Image decision_surface(BatchClassifier& network, const Dataset& data, int side) {
  require(side >= 64 && side <= 4096, ErrorKind::usage, "a side of {} pixels, expected 64 to 4096", side);
  const std::vector<Point> points = points_of(data);
  Range x, y;
  for (const Point& p : points) x.add(p.x), y.add(p.y);
  x = x.with_margin(), y = y.with_margin();
  const auto value_x = [&](double pixel) { return x.least + (x.most - x.least) * pixel / side; };
  const auto value_y = [&](double pixel) { return y.most - (y.most - y.least) * pixel / side; };
  Image canvas(side, side, 3);
  const int64_t cells = (side + kCell - 1) / kCell, batch = network.batch(), classes = network.classes();
  for (int64_t first = 0; first < cells * cells; first += batch) {
    const int64_t count = std::min(batch, cells * cells - first);
    const auto at = [&](int64_t i) {
      return std::pair<int, int>((first + i) % cells * kCell, (first + i) / cells * kCell);
    };
    for (int64_t i = 0; i < count; ++i) {
      const auto [px, py] = at(i);
      network.prepare_values(i, Tensor::of<float>({2}, {static_cast<float>(value_x(px + kCell / 2.0)),
                                                        static_cast<float>(value_y(py + kCell / 2.0))}));
    }
    const std::vector<double> rows = network.log_probabilities(count);
    for (int64_t i = 0; i < count; ++i) {
      const auto [px, py] = at(i);
      fill(canvas, px, py, mixed(rows.data() + i * classes, classes));
    }
  }
  const auto draw = [&](bool ring, float size) {
    for (const Point& p : points) {
      const auto px = static_cast<float>((p.x - x.least) / (x.most - x.least) * side);
      const auto py = static_cast<float>((y.most - p.y) / (y.most - y.least) * side);
      draw_line(canvas, px, py, px, py, ring ? kWhite : class_colour(p.label), size);
    }
  };
  draw(true, 6.5f);  // all rings lie below all points
  draw(false, 4.5f);
  return canvas;
}

}  // namespace fovea
