#include "fovea/report/field_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/caption.h"
#include "fovea/report/figure.h"
#include "fovea/report/heat.h"

namespace fovea {

namespace {

constexpr int kMargin = 16, kPanel = 336, kBetween = 22, kLine = 15;
constexpr Rgb kNothing{0xdd, 0xe0, 0xe5}, kHalo{0x10, 0x18, 0x28};
constexpr Rgb kTheory{0x4f, 0xd1, 0xff}, kMiddle{0xff, 0xff, 0xff}, kHalfEnergy{0x9b, 0xe5, 0x64},
    kMostEnergy{0xff, 0xb3, 0x47};
constexpr Rgb kColumns{0x2f, 0x6f, 0xb7}, kRows{0xe6, 0x7e, 0x22};

// A part of the picture, scaled to a panel.
struct Panel {
  int x = 0, y = 0;                                  // of its corner on the canvas
  int64_t top = 0, left = 0, height = 1, width = 1;  // of the part, in pixels of the picture
  double scale = 1;
  int across() const { return std::max(1, static_cast<int>(std::lround(static_cast<double>(width) * scale))); }
  int down() const { return std::max(1, static_cast<int>(std::lround(static_cast<double>(height) * scale))); }
  int at_x(double column) const {
    return x + static_cast<int>(std::lround((column - static_cast<double>(left)) * scale));
  }
  int at_y(double row) const { return y + static_cast<int>(std::lround((row - static_cast<double>(top)) * scale)); }
};

Panel panel_of(int x, int y, const Interval& rows, const Interval& columns) {
  Panel p{x,
          y,
          rows.begin,
          columns.begin,
          std::max<int64_t>(1, rows.end - rows.begin),
          std::max<int64_t>(1, columns.end - columns.begin),
          1};
  const double fits = static_cast<double>(kPanel) / static_cast<double>(std::max(p.height, p.width));
  p.scale = fits >= 3 ? std::floor(fits) : fits;  // small pictures keep their pixels
  return p;
}

void outline(Image& canvas, const Panel& p, double top, double left, double bottom, double right, Rgb colour,
             int thickness = 1) {
  const int x = p.at_x(left), y = p.at_y(top), width = p.at_x(right) - x, height = p.at_y(bottom) - y;
  draw_outline(canvas, x - 1, y - 1, width + 2, height + 2, kHalo);
  draw_outline(canvas, x, y, width, height, colour, thickness);
}

// The field's heat, 0..1.
std::vector<float> heat_of(const EffectiveField& field) {
  const float greatest = field.energy.empty() ? 0 : *std::max_element(field.energy.begin(), field.energy.end());
  std::vector<float> heat(field.energy.size());
  for (size_t i = 0; i < heat.size(); ++i) heat[i] = greatest > 0 ? std::sqrt(field.energy[i] / greatest) : 0;
  return heat;
}

Image scaled(const Image& image, const Panel& p) {
  if (p.scale == std::floor(p.scale)) {
    Image large = blank(p.across(), p.down());
    draw_image(large, image, 0, 0, p.across(), p.down());
    return large;
  }
  return resize(image, p.across(), p.down(), p.scale > 1 ? Filter::bilinear : Filter::lanczos);
}

Image base_picture(const Image& picture, int64_t height, int64_t width) {
  if (picture.empty()) return blank(static_cast<int>(width), static_cast<int>(height), kNothing);
  require(picture.height() == height && picture.width() == width, ErrorKind::usage,
          "a picture of {} x {} pixels for a network's input of {} x {}", picture.width(), picture.height(), width,
          height);
  return picture.to_8bit().to_rgb();
}

void draw_overlay(Image& canvas, const EffectiveField& f, const Image& picture, const Panel& p) {
  const Image base = base_picture(picture, f.height, f.width);
  const Image hot = heat_over_grey(base, heat_of(f), ColourMap::inferno);
  draw_image(canvas, scaled(hot, p), p.x, p.y);
  outline(canvas, p, static_cast<double>(f.rows.begin), static_cast<double>(f.columns.begin),
          static_cast<double>(f.rows.end), static_cast<double>(f.columns.end), kTheory, 2);
}

void draw_close_up(Image& canvas, const EffectiveField& f, const Panel& p) {
  const std::vector<float> heat = heat_of(f);
  std::vector<float> part;
  for (int64_t y = 0; y < p.height; ++y)
    for (int64_t x = 0; x < p.width; ++x) part.push_back(heat[static_cast<size_t>((p.top + y) * f.width + p.left + x)]);
  const Image image =
      apply_colour_map(part, static_cast<int>(p.width), static_cast<int>(p.height), ColourMap::inferno, 0, 1);
  draw_image(canvas, scaled(image, p), p.x, p.y);
  const double top = static_cast<double>(p.top), left = static_cast<double>(p.left),
               height = static_cast<double>(p.height), width = static_cast<double>(p.width);
  outline(canvas, p, top, left, top + height, left + width, kTheory, 2);
  outline(canvas, p, top + height / 4, left + width / 4, top + 3 * height / 4, left + 3 * width / 4, kMiddle, 2);
  const auto square = [&](double side, Rgb colour) {
    if (side <= 0) return;
    const double half = side / 2;
    outline(canvas, p, std::max(top, f.centre_y - half), std::max(left, f.centre_x - half),
            std::min(top + height, f.centre_y + half), std::min(left + width, f.centre_x + half), colour, 2);
  };
  square(f.side_half, kHalfEnergy);
  square(f.side_most, kMostEnergy);
}

// The energy of each column (or row) of the box.
std::vector<double> profile(const EffectiveField& f, bool of_columns) {
  const Interval& range = of_columns ? f.columns : f.rows;
  std::vector<double> sums;
  for (int64_t i = range.begin; i < range.end; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < (of_columns ? f.height : f.width); ++j)
      sum += f.energy[static_cast<size_t>(of_columns ? j * f.width + i : i * f.width + j)];
    sums.push_back(sum);
  }
  return sums;
}

void draw_curve(Image& canvas, const std::vector<double>& values, double most, int x, int y, int width, int height,
                Rgb colour) {
  const auto at = [&](size_t i) {
    return std::pair{static_cast<float>(x) +
                         static_cast<float>(width) * (static_cast<float>(i) + 0.5f) / static_cast<float>(values.size()),
                     static_cast<float>(y + height) -
                         static_cast<float>(height) * static_cast<float>(most > 0 ? values[i] / most : 0)};
  };
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    const auto [x0, y0] = at(i);
    const auto [x1, y1] = at(i + 1);
    draw_line(canvas, x0, y0, x1, y1, colour, 2);
  }
}

void draw_profiles(Image& canvas, const EffectiveField& f, int x, int y) {
  const std::vector<double> columns = profile(f, true), rows = profile(f, false);
  double most = 0;
  for (const auto* curve : {&columns, &rows})
    for (const double v : *curve) most = std::max(most, v);
  const int height = kPanel - 40, width = kPanel;
  fill_rectangle(canvas, x + width / 4, y, width / 2, height, paper::track);
  draw_line(canvas, static_cast<float>(x), static_cast<float>(y + height), static_cast<float>(x + width),
            static_cast<float>(y + height), paper::faint);
  draw_curve(canvas, columns, most, x, y + 4, width, height - 4, kColumns);
  draw_curve(canvas, rows, most, x, y + 4, width, height - 4, kRows);
  draw_text(canvas, x, y + height + 6, fmt::format("{}", f.columns.begin), paper::faint);
  const std::string end = fmt::format("{}", f.columns.end);
  draw_text(canvas, x + width - text_width(end), y + height + 6, end, paper::faint);
  draw_text(canvas, x + 6, y + 6, "columns", kColumns);
  draw_text(canvas, x + 6, y + 6 + kLine, "rows", kRows);
  const std::string peak = fmt::format("greatest {:.2g} of the energy", most);
  draw_text(canvas, x + (width - text_width(peak)) / 2, y + height + 6, peak, paper::faint);
}

void draw_key(Image& canvas, int x, int y, Rgb colour, const std::string& text) {
  fill_rectangle(canvas, x, y + 2, 12, 8, kHalo);
  fill_rectangle(canvas, x + 1, y + 3, 10, 6, colour);
  draw_text(canvas, x + 18, y, text, paper::ink);
}

}  // namespace

Image effective_field_figure(const EffectiveField& f, const Image& picture) {
  const int top = kMargin + kLine + 4;
  const Panel whole = panel_of(kMargin, top, {0, f.height}, {0, f.width});
  Panel close = panel_of(0, top, f.rows, f.columns);
  close.x = whole.x + whole.across() + kBetween;
  const int third = close.x + close.across() + kBetween;
  const int below = top + std::max({whole.down(), close.down(), kPanel}) + 10;
  Image canvas = blank(third + kPanel + kMargin, below + 3 * kLine + kMargin);
  draw_text(canvas, whole.x, kMargin, picture.empty() ? "on the input" : "on the picture", paper::ink);
  draw_text(canvas, close.x, kMargin, shorten_text("the box it can see", close.across()), paper::ink);
  draw_text(canvas, third, kMargin, "energy along the box", paper::ink);
  draw_overlay(canvas, f, picture, whole);
  draw_close_up(canvas, f, close);
  draw_profiles(canvas, f, third, top);
  const int half = (canvas.width() - 2 * kMargin) / 2;
  draw_key(canvas, kMargin, below, kTheory,
           fmt::format("theoretical: {} x {} pixels", f.rows.end - f.rows.begin, f.columns.end - f.columns.begin));
  draw_key(canvas, kMargin + half, below, kMiddle,
           fmt::format("middle half: {:.1f} % of the energy", 100 * f.central_half));
  draw_key(canvas, kMargin, below + kLine, kHalfEnergy,
           fmt::format("50 % of the energy: {:.0f} x {:.0f}", f.side_half, f.side_half));
  draw_key(canvas, kMargin + half, below + kLine, kMostEnergy,
           fmt::format("95 % of the energy: {:.0f} x {:.0f}", f.side_most, f.side_most));
  const int bar = draw_colour_bar(canvas, kMargin, below + 2 * kLine + 2, ColourMap::inferno, "0", "greatest");
  draw_text(canvas, kMargin + bar + 12, below + 2 * kLine + 2, "root of the energy: the size of the gradient",
            paper::faint);
  return canvas;
}

Image field_boxes_figure(const std::vector<FieldBox>& boxes, const Image& picture, int64_t height, int64_t width) {
  constexpr int kNames = 300;
  Panel p = panel_of(kMargin, kMargin, {0, height}, {0, width});
  p.scale = std::max(p.scale, 1.0) < 2
                ? std::max(1.0, std::floor(2.0 * kPanel / static_cast<double>(std::max(height, width))))
                : p.scale;
  if (static_cast<double>(std::max(height, width)) * p.scale > 900)
    p.scale = 900.0 / static_cast<double>(std::max(height, width));
  const int list = static_cast<int>(boxes.size()) * kLine;
  Image canvas = blank(2 * kMargin + p.across() + kBetween + kNames, 2 * kMargin + std::max(p.down(), list));
  draw_image(canvas, scaled(base_picture(picture, height, width), p), p.x, p.y);
  for (size_t i = boxes.size(); i-- > 0;) {
    const FieldBox& b = boxes[i];
    const float t = boxes.size() > 1 ? static_cast<float>(i) / static_cast<float>(boxes.size() - 1) : 0.5f;
    const Rgb colour = colour_at(ColourMap::inferno, 0.95f - 0.6f * t);
    outline(canvas, p, static_cast<double>(b.rows.begin), static_cast<double>(b.columns.begin),
            static_cast<double>(b.rows.end), static_cast<double>(b.columns.end), colour, 2);
    const int x = p.x + p.across() + kBetween, y = kMargin + static_cast<int>(i) * kLine;
    draw_key(canvas, x, y, colour, shorten_text(b.layer, kNames - 110));
    draw_text(canvas, x + kNames - text_width(b.size), y, b.size, paper::faint);
  }
  return canvas;
}

}  // namespace fovea
