#include "fovea/report/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/report/page.h"

namespace fovea {

namespace {

constexpr double kWidth = 560, kHeight = 290, kLeft = 56, kRight = 14, kTop = 12, kBottom = 34;
constexpr size_t kStretches = 400;  // of a curve with many points
constexpr size_t kMarks = 64;       // a curve with more points has no marks
// Names at the ends of lines: characters at most; their width and distance, with room for narrow pages' larger letters.
constexpr size_t kLabel = 22;
constexpr double kCharacter = 7.6, kLabelStep = 15;

struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;
  double share(double value) const {
    return logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  }
  // The limits leave room for sums and products.
  bool shows(double value) const { return std::abs(value) <= 1e300 && (!logarithmic || value >= 1e-300); }
};

struct Plane {
  Axis x, y;
  double right = kRight;
  double px(double value) const { return kLeft + x.share(value) * (kWidth - kLeft - right); }
  double py(double value) const { return kHeight - kBottom - y.share(value) * (kHeight - kTop - kBottom); }
};

Axis x_axis(const Chart& chart) {
  Axis axis{INFINITY, -INFINITY, false};
  for (const Curve& curve : chart.curves)
    for (const CurvePoint& p : curve.points)
      if (axis.shows(p.x)) axis.low = std::min(axis.low, p.x), axis.high = std::max(axis.high, p.x);
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
  if (std::abs(value) >= 1000 && std::abs(value) < 1e7) return fmt::format("{:.0f}", value);
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
    if (!plane.x.shows(p.x) || !plane.y.shows(p.y)) {
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
  for (const CurvePoint& p : points) shown += plane.x.shows(p.x) && plane.y.shows(p.y);
  const bool marks = !curve.faint && shown <= kMarks;
  for (const CurvePoint& p : points) {
    if (!marks || !plane.x.shows(p.x) || !plane.y.shows(p.y) || p.y < plane.y.low || p.y > plane.y.high) continue;
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
        kLeft, kWidth - plane.right, plane.py(t), plane.py(t), kLeft - 7, plane.py(t) + 3.6, number(t, chart.notation));
  for (const double t : linear_ticks(plane.x.low, plane.x.high, plane.right > kRight ? 6 : 8))
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"below\">{}</text>", plane.px(t), kHeight - kBottom + 15,
                       number(t, Notation::plain));
  svg += fmt::format("<line class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", kLeft, kWidth - plane.right,
                     kHeight - kBottom, kHeight - kBottom);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" class=\"left\">{}</text>", kWidth - plane.right, kHeight - 4,
                     html_text(chart.x_name));
  return "<g class=\"axes\">" + svg + "</g>";
}

// Where a curve ends inside of the drawing; none: it is not seen.
std::optional<CurvePoint> end_of(const Curve& curve, const Plane& plane) {
  for (auto p = curve.points.rbegin(); p != curve.points.rend(); ++p)
    if (plane.x.shows(p->x) && plane.y.shows(p->y) && p->y >= plane.y.low && p->y <= plane.y.high)
      return CurvePoint{plane.px(p->x), plane.py(p->y)};
  return std::nullopt;
}

// Cut in the middle, so that "style … pool4" still says what it is of. Names are ASCII or are cut at their ends only.
std::string short_name(const std::string& name) {
  if (name.size() <= kLabel) return name;
  const size_t half = (kLabel - 1) / 2;
  const bool ascii = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 128; });
  return ascii ? name.substr(0, half) + "…" + name.substr(name.size() - half) : name;
}

// The names at the lines' ends, pushed apart from top to bottom where they would lie on each other.
std::string labels_svg(const Chart& chart, const Plane& plane) {
  struct Label {
    size_t curve;
    CurvePoint end;
    double y;
  };
  std::vector<Label> labels;
  for (size_t i = 0; i < chart.curves.size(); ++i)
    if (const auto end = end_of(chart.curves[i], plane)) labels.push_back({i, *end, end->y});
  std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
  for (size_t k = 1; k < labels.size(); ++k) labels[k].y = std::max(labels[k].y, labels[k - 1].y + kLabelStep);
  double room = kHeight - kBottom;
  for (size_t k = labels.size(); k-- > 0; room -= kLabelStep) labels[k].y = std::min(labels[k].y, room);
  std::string svg;
  const double x = kWidth - plane.right;
  for (const Label& l : labels)
    svg += fmt::format(
        "<g {}\"><path class=\"lead\" d=\"M{:.1f},{:.1f}L{:.1f},{:.1f}L{:.1f},{:.1f}\"/><text class=\"end\" "
        "x=\"{:.1f}\" "
        "y=\"{:.1f}\">{}</text></g>",
        ink(l.curve, chart.curves.size()), l.end.x, l.end.y, std::max(x + 3, l.end.x + 3), l.end.y, x + 15, l.y, x + 18,
        l.y + 4, html_text(short_name(chart.curves[l.curve].name)));
  return svg;
}

std::string marks_svg(const Chart& chart, const Plane& plane) {
  std::string svg;
  double taken = -INFINITY;  // up to where there is text already
  for (const ChartMark& mark : chart.marks) {
    if (!(mark.x >= plane.x.low && mark.x <= plane.x.high)) continue;
    const double x = plane.px(mark.x);
    svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>", x, kTop - 4,
                       kHeight - kBottom);
    const double end = x + 5 + kCharacter * static_cast<double>(mark.name.size());
    if (x < taken || end > kWidth - plane.right + 4) continue;
    svg += fmt::format("<text class=\"mark\" x=\"{:.1f}\" y=\"{}\">{}</text>", x + 4, kTop + 7, html_text(mark.name));
    taken = end + 4;
  }
  return svg;
}

// Whether the names stand at the lines' ends.
bool is_labelled(const Chart& chart) {
  return chart.labelled && chart.curves.size() > 1 &&
         static_cast<double>(chart.curves.size()) * kLabelStep <= kHeight - kTop - kBottom;
}

// The place for the names at the lines' ends.
double right_of(const Chart& chart) {
  if (!is_labelled(chart)) return kRight;
  size_t longest = 0;
  for (const Curve& curve : chart.curves) longest = std::max(longest, std::min(curve.name.size(), kLabel));
  return 22 + kCharacter * static_cast<double>(longest);
}

std::string legend_html(const Chart& chart) {
  if (chart.curves.size() < 2 || is_labelled(chart)) return {};
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
  const Plane plane{x_axis(chart), y_axis(chart), right_of(chart)};
  std::string curves;
  // Faint ones first, so that they lie behind.
  for (const bool faint : {true, false})
    for (size_t i = 0; i < chart.curves.size(); ++i)
      if (chart.curves[i].faint == faint) curves += curve_svg(chart, i, plane);
  if (curves.empty()) return {};
  std::string note = chart.note;
  if (const size_t outside = cut_off(chart, plane.y); outside > 0)
    note += fmt::format("{}{} outside of the drawing", note.empty() ? "" : "; ", counted(outside, "point"));
  return fmt::format(
             "<figure class=\"card chart\"><h3>{}{}</h3><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
             html_text(chart.title), chart.logarithmic ? " <small>logarithmic</small>" : "", kWidth, kHeight,
             html_text(chart.title)) +
         axes_svg(chart, plane) + marks_svg(chart, plane) +
         // A drawing of its own cuts off what lies outside of the axes.
         fmt::format("<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">{4}</svg>",
                     kLeft - 4, kTop - 4, kWidth - kLeft - plane.right + 8, kHeight - kTop - kBottom + 8, curves) +
         (is_labelled(chart) ? labels_svg(chart, plane) : "") + "</svg>" + legend_html(chart) +
         (note.empty() ? "" : "<p class=\"note\">" + html_text(note) + "</p>") + "</figure>";
}

}  // namespace fovea
