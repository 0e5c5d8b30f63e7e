#include "fovea/report/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/report/page.h"

namespace fovea {

namespace {

constexpr double kWidth = 560, kHeight = 290, kLeft = 56, kRight = 14, kTop = 12, kBottom = 34;
constexpr size_t kStretches = 400;  // of a curve with many points
constexpr size_t kMarks = 64;       // a curve with more points has no marks

struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;
  double share(double value) const {
    return logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  }
  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
};

struct Plane {
  Axis x, y;
  double px(double value) const { return kLeft + x.share(value) * (kWidth - kLeft - kRight); }
  double py(double value) const { return kHeight - kBottom - y.share(value) * (kHeight - kTop - kBottom); }
};

Axis x_axis(const Chart& chart) {
  Axis axis{INFINITY, -INFINITY, false};
  for (const Curve& curve : chart.curves)
    for (const CurvePoint& p : curve.points)
      if (std::isfinite(p.x)) axis.low = std::min(axis.low, p.x), axis.high = std::max(axis.high, p.x);
  if (axis.low > axis.high) axis.low = 0, axis.high = 1;
  // Time begins at 0 unless the log began late.
  if (axis.low > 0 && axis.low <= 0.5 * axis.high) axis.low = 0;
  if (axis.low == axis.high) axis.low -= 0.5, axis.high += 0.5;
  return axis;
}

Axis y_axis(const Chart& chart) {
  Axis axis{INFINITY, -INFINITY, chart.logarithmic};
  for (const Curve& curve : chart.curves)
    for (const CurvePoint& p : curve.points)
      if (axis.shows(p.y)) axis.low = std::min(axis.low, p.y), axis.high = std::max(axis.high, p.y);
  if (axis.low > axis.high) axis.low = chart.logarithmic ? 0.1 : 0, axis.high = 1;
  if (chart.low && axis.shows(*chart.low)) axis.low = *chart.low;
  if (chart.high && axis.shows(*chart.high)) axis.high = *chart.high;
  if (chart.logarithmic) {
    // At least half a decade, so that noise is not drawn as a mountain.
    const double spread = std::max(axis.high / axis.low, std::sqrt(10.0)),
                 middle = std::sqrt(axis.high) * std::sqrt(axis.low);
    axis.low = middle / std::sqrt(spread) / 1.08, axis.high = middle * std::sqrt(spread) * 1.08;
    return axis;
  }
  const double pad = axis.high > axis.low ? 0.04 * (axis.high - axis.low) : std::max(1e-9, 0.05 * std::abs(axis.high));
  if (!chart.low) axis.low = axis.low >= 0 && axis.low < pad * 4 ? 0 : axis.low - pad;
  if (!chart.high) axis.high += pad;
  if (!(axis.high > axis.low)) axis.high = axis.low + 1;
  return axis;
}

// "0.05", "1e-05", "97.5 %".
std::string number(double value, Notation notation) {
  if (notation == Notation::percent) return fmt::format("{:.4g} %", 100 * value);
  return fmt::format("{:.4g}", std::abs(value) < 1e-12 ? 0.0 : value);
}

// What a curve is drawn of: the points, or where there are too many, for each stretch its least and its greatest value.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, const Axis& y) {
  if (points.size() <= 2 * kStretches) return points;
  std::vector<CurvePoint> result;
  for (size_t s = 0; s < kStretches; ++s) {
    const size_t begin = s * points.size() / kStretches, end = (s + 1) * points.size() / kStretches;
    size_t least = end, most = end, gap = end;
    for (size_t i = begin; i < end; ++i) {
      if (!y.shows(points[i].y)) {
        gap = i;
        continue;
      }
      if (least == end || points[i].y < points[least].y) least = i;
      if (most == end || points[i].y > points[most].y) most = i;
    }
    std::vector<size_t> kept;
    for (const size_t i : {least, most, gap})
      if (i < end) kept.push_back(i);
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    for (const size_t i : kept) result.push_back(points[i]);
  }
  return result;
}

// The class of a curve's colour, or its own where there are many: from violet (first) over blue and green to red.
std::string ink(size_t index, size_t count) {
  if (count <= kLegendCurves) return fmt::format("class=\"s{}", index);
  const double share = static_cast<double>(index) / static_cast<double>(count - 1);
  return fmt::format("style=\"--own:hsl({:.0f} 62% 52%)\" class=\"own", 270 - 260 * share);
}

std::string line_path(const std::vector<CurvePoint>& points, const Plane& plane) {
  std::string path;
  bool pen = false;
  for (const CurvePoint& p : points) {
    if (!std::isfinite(p.x) || !plane.y.shows(p.y)) {
      pen = false;
      continue;
    }
    path += fmt::format("{}{:.1f},{:.1f}", pen ? "L" : "M", plane.px(p.x), std::clamp(plane.py(p.y), -1e4, 1e4));
    pen = true;
  }
  return path;
}

std::string curve_svg(const Chart& chart, size_t index, const Plane& plane) {
  const Curve& curve = chart.curves[index];
  const std::vector<CurvePoint> points = thinned(curve.points, plane.y);
  const std::string colour = ink(index, chart.curves.size()), path = line_path(points, plane);
  if (path.empty()) return {};
  std::string svg = fmt::format(
      "<g {}{}\"><path class=\"line\" d=\"{}\"/><path class=\"reach\" d=\"{}\"><title>{}"
      "</title></path>",
      colour, curve.faint ? " faint" : "", path, path, html_text(curve.name));
  size_t shown = 0;
  for (const CurvePoint& p : points) shown += std::isfinite(p.x) && plane.y.shows(p.y);
  const bool marks = !curve.faint && shown <= kMarks;
  for (const CurvePoint& p : points) {
    if (!marks || !std::isfinite(p.x) || !plane.y.shows(p.y) || p.y < plane.y.low || p.y > plane.y.high) continue;
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}: {} ({} {:.4g})</title></circle>",
                       plane.px(p.x), plane.py(p.y), chart.curves.size() > kLegendCurves ? 1.4 : 2.4,
                       html_text(curve.name), number(p.y, chart.notation), html_text(chart.x_name), p.x);
  }
  return svg + "</g>";
}

std::string axes_svg(const Chart& chart, const Plane& plane) {
  std::string svg;
  const std::vector<double> rows =
      plane.y.logarithmic ? logarithmic_ticks(plane.y.low, plane.y.high) : linear_ticks(plane.y.low, plane.y.high, 6);
  for (const double t : rows)
    svg += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{}\" y=\"{:.1f}\" "
        "class=\"left\">{}</text>",
        kLeft, kWidth - kRight, plane.py(t), plane.py(t), kLeft - 7, plane.py(t) + 3.6, number(t, chart.notation));
  for (const double t : linear_ticks(plane.x.low, plane.x.high, 8))
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"below\">{}</text>", plane.px(t), kHeight - kBottom + 15,
                       number(t, Notation::plain));
  svg += fmt::format("<line class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", kLeft, kWidth - kRight,
                     kHeight - kBottom, kHeight - kBottom);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" class=\"left\">{}</text>", kWidth - kRight, kHeight - 4,
                     html_text(chart.x_name));
  return "<g class=\"axes\">" + svg + "</g>";
}

std::string legend_html(const Chart& chart) {
  if (chart.curves.size() < 2) return {};
  std::string items;
  for (size_t i = 0; i < chart.curves.size(); ++i)
    items += fmt::format("<span><i {}{}\"></i>{}</span>", ink(i, chart.curves.size()),
                         chart.curves[i].faint ? " faint" : "", html_text(chart.curves[i].name));
  if (chart.curves.size() <= kLegendCurves) return "<div class=\"legend lines\">" + items + "</div>";
  return fmt::format(
      "<details><summary>{} curves, from {} (violet) to {} (red)</summary><div class=\"legend lines\">{}"
      "</div></details>",
      chart.curves.size(), html_text(chart.curves.front().name), html_text(chart.curves.back().name), items);
}

// How many points lie outside of the y axis.
size_t cut_off(const Chart& chart, const Axis& y) {
  size_t count = 0;
  for (const Curve& curve : chart.curves)
    for (const CurvePoint& p : curve.points) count += y.shows(p.y) && (p.y < y.low || p.y > y.high);
  return count;
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int count) {
  if (!(high > low) || !std::isfinite(high - low) || count < 1) return {};
  const double raw = (high - low) / count, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw * 0.999) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  if (!(step > 0) || last - first > 100) return {};
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> logarithmic_ticks(double low, double high) {
  if (!(low > 0) || !(high > low) || !std::isfinite(high)) return {};
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const auto ticks = [&](std::initializer_list<double> factors, int stride) {
    std::vector<double> result;
    for (int power = first; power <= last; power += stride)
      for (const double factor : factors)
        if (const double t = factor * std::pow(10, power); t >= low * 0.9999 && t <= high * 1.0001) result.push_back(t);
    return result;
  };
  const std::vector<double> decades = ticks({1}, std::max(1, (last - first + 7) / 8));
  return decades.size() >= 3 ? decades : ticks({1, 2, 5}, 1);
}

std::string draw_chart(const Chart& chart) {
  const Plane plane{x_axis(chart), y_axis(chart)};
  std::string curves;
  // Faint ones first, so that they lie behind.
  for (const bool faint : {true, false})
    for (size_t i = 0; i < chart.curves.size(); ++i)
      if (chart.curves[i].faint == faint) curves += curve_svg(chart, i, plane);
  if (curves.empty()) return {};
  std::string note = chart.note;
  if (const size_t outside = cut_off(chart, plane.y); outside > 0)
    note += fmt::format("{}{} point{} outside of the drawing", note.empty() ? "" : "; ", outside,
                        outside == 1 ? " lies" : "s lie");
  return fmt::format(
             "<figure class=\"card chart\"><h3>{}{}</h3><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
             html_text(chart.title), chart.logarithmic ? " <small>logarithmic</small>" : "", kWidth, kHeight,
             html_text(chart.title)) +
         axes_svg(chart, plane) +
         // A drawing of its own cuts off what lies outside of the axes.
         fmt::format("<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">{4}</svg>",
                     kLeft - 4, kTop - 4, kWidth - kLeft - kRight + 8, kHeight - kTop - kBottom + 8, curves) +
         "</svg>" + legend_html(chart) + (note.empty() ? "" : "<p class=\"note\">" + html_text(note) + "</p>") +
         "</figure>";
}

}  // namespace fovea
