// Line charts as drawings inside a page (SVG with the CSS classes of report/page.css), light and dark.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fovea {

struct CurvePoint {
  double x = 0, y = 0;
};

struct Curve {
  std::string name;
  std::vector<CurvePoint> points;  // x does not fall; a point that is not finite leaves a gap
  bool faint = false;              // a thin line behind the others, without marks: values of single steps
};

// A dashed line from top to bottom where something began.
struct ChartMark {
  double x = 0;
  std::string name;  // at its top; left out where there is no room for it
};

// How the numbers at an axis and in the hints read.
enum class Notation { plain, percent };

struct Chart {
  std::string title;
  std::string x_name;
  std::vector<Curve> curves;
  Notation notation = Notation::plain;
  bool logarithmic = false;         // the y axis; points at or below 0 are left out
  std::optional<double> low, high;  // the y axis; points outside are cut off, which the chart then says
  std::string note;                 // below the chart
  bool labelled = false;            // names stand at the ends of the lines instead of in a legend, where there is room
  std::vector<ChartMark> marks = {};
};

// Positions for ticks within [low, high]: multiples of 1, 2 or 5 times a power of ten, about `count` of them.
std::vector<double> linear_ticks(double low, double high, int count);
// Powers of ten within [low, high]; also their doubles and fivefolds where there would be fewer than three.
std::vector<double> logarithmic_ticks(double low, double high);

// A <figure>: the title, the drawing with axes, and a legend under it (or names at the lines' ends). Pointing at a mark
// or a line names its values. Curves with more points than the drawing has room for are shown by the least and the
// greatest value of each stretch. With more than kLegendCurves curves the colours go from the first to the last, and
// the legend folds away. An empty text when there is nothing to draw.
std::string draw_chart(const Chart& chart);
inline constexpr size_t kLegendCurves = 8;

}  // namespace fovea
