#include "fovea/report/curves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fovea {
namespace {

size_t count(const std::string& text, const std::string& piece) {
  size_t n = 0;
  for (size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++n;
  return n;
}

// The y coordinates of the first line's points.
std::vector<double> heights(const std::string& svg) {
  const size_t begin = svg.find("class=\"line\" d=\"") + 16, end = svg.find('"', begin);
  std::vector<double> result;
  for (size_t at = svg.find(',', begin); at < end; at = svg.find(',', at + 1))
    result.push_back(std::stod(svg.substr(at + 1)));
  return result;
}

TEST(Curves, TicksAreRoundNumbersWithin) {
  EXPECT_EQ(linear_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(linear_ticks(0.21, 0.79, 3), (std::vector<double>{0.4, 0.6000000000000001}));
  EXPECT_EQ(logarithmic_ticks(0.001, 10), (std::vector<double>{0.001, 0.01, 0.1, 1, 10}));
  EXPECT_EQ(logarithmic_ticks(1.5, 12), (std::vector<double>{2, 5, 10}));
  for (const double scale : {1e-300, 1e-9, 1.0, 1e9, 1e300})
    for (const double low : {-3.0, 0.0, 0.7}) {
      const std::vector<double> ticks = linear_ticks(low * scale, 2.9 * scale, 6);
      EXPECT_GE(ticks.size(), 2u) << low << " " << scale;
      EXPECT_LE(ticks.size(), 13u);
      for (const double t : ticks) EXPECT_TRUE(t >= (low - 1e-6) * scale && t <= 2.900001 * scale);
    }
  EXPECT_TRUE(linear_ticks(1, 1, 5).empty());
  EXPECT_TRUE(linear_ticks(-1e308, 1e308 * 1.5, 5).empty());
  EXPECT_TRUE(logarithmic_ticks(-1, 5).empty());
}

TEST(Curves, LinesBreakWhereThereIsNoNumber) {
  Chart chart{"loss", "epoch", {{"test", {{0, 1}, {1, 2}, {2, NAN}, {3, 4}, {4, 5}}, false}}, {}, false, {}, {}, ""};
  const std::string svg = draw_chart(chart);
  EXPECT_EQ(count(svg.substr(0, svg.find("class=\"reach\"")), "M"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 4u);
  EXPECT_NE(svg.find("test: 5 (epoch 4)"), std::string::npos);
  chart.logarithmic = true;
  chart.curves[0].points[0].y = 0;
  EXPECT_EQ(count(draw_chart(chart), "<circle"), 3u);
  chart.curves[0].points = {{0, NAN}};
  EXPECT_EQ(draw_chart(chart), "");
}

TEST(Curves, ALargerValueIsHigherUpAndInsideTheDrawing) {
  for (const bool logarithmic : {false, true}) {
    const Chart chart{"x", "epoch", {{"a", {{0, 1}, {1, 20}, {2, 70}, {3, 100}}, false}}, {}, logarithmic, {}, {}, ""};
    const std::vector<double> y = heights(draw_chart(chart));
    ASSERT_EQ(y.size(), 4u);
    for (size_t i = 1; i < y.size(); ++i) EXPECT_LT(y[i], y[i - 1]);
    EXPECT_GT(y.back(), 0);
    EXPECT_LT(y.front(), 290);
  }
}

TEST(Curves, ASpikeAmongManyPointsIsStillSeen) {
  Chart chart{"x", "step", {{"a", {}, true}}, {}, false, {}, {}, ""};
  for (int i = 0; i < 100000; ++i) chart.curves[0].points.push_back({static_cast<double>(i), i == 54321 ? 10.0 : 1.0});
  const std::string svg = draw_chart(chart);
  EXPECT_LT(svg.size(), 60000u);
  const std::vector<double> y = heights(svg);
  EXPECT_LT(*std::min_element(y.begin(), y.end()), *std::max_element(y.begin(), y.end()) - 100);
}

TEST(Curves, SayWhatLiesOutsideAndFoldLongLegends) {
  Chart chart{"x",
              "epoch",
              {{"a", {{0, 0.5}, {1, 0.9}, {2, 0.95}}, false}, {"<b>", {{0, 0.9}, {1, 0.92}}, false}},
              Notation::percent,
              false,
              0.8,
              {},
              ""};
  const std::string svg = draw_chart(chart);
  EXPECT_NE(svg.find("1 point outside of the drawing"), std::string::npos);
  EXPECT_NE(svg.find("&lt;b&gt;"), std::string::npos);
  EXPECT_NE(svg.find(" %</text>"), std::string::npos);
  EXPECT_EQ(svg.find("<details>"), std::string::npos);
  for (int i = 0; i < 30; ++i) chart.curves.push_back({"c", {{0, 0.9}, {1, 0.9}}, false});
  EXPECT_NE(draw_chart(chart).find("<details>"), std::string::npos);
}

TEST(Curves, OnePointAndHugeNumbersAreDrawn) {
  const double huge = std::numeric_limits<double>::max();
  for (const bool logarithmic : {false, true})
    for (const std::vector<CurvePoint>& points :
         std::vector<std::vector<CurvePoint>>{{{1, 5}}, {{0, 1e-300}, {1, huge}}, {{0, 3}, {0, 3}}}) {
      const std::string svg = draw_chart({"x", "epoch", {{"a", points, false}}, {}, logarithmic, {}, {}, ""});
      EXPECT_FALSE(svg.empty());
      EXPECT_EQ(svg.find("nan"), std::string::npos);
      EXPECT_EQ(svg.find("inf"), std::string::npos);
    }
}

// The y coordinates of the names at the lines' ends, from top to bottom in the text's order.
std::vector<double> label_heights(const std::string& svg) {
  std::vector<double> result;
  for (size_t at = svg.find("class=\"end\""); at != std::string::npos; at = svg.find("class=\"end\"", at + 1))
    result.push_back(std::stod(svg.substr(svg.find(" y=\"", at) + 4)));
  return result;
}

TEST(Curves, NamesStandAtTheEndsOfTheLinesAndNotOnEachOther) {
  Chart chart{"terms", "step", {}, {}, true, {}, {}, "", true};
  // All end at nearly the same height, at the lower edge.
  for (int k = 0; k < 6; ++k)
    chart.curves.push_back({"term " + std::to_string(k), {{1, 100}, {2, 1 + 0.001 * k}}, false});
  const std::string svg = draw_chart(chart);
  const std::vector<double> y = label_heights(svg);
  ASSERT_EQ(y.size(), 6u);
  for (size_t k = 1; k < y.size(); ++k) EXPECT_GE(y[k] - y[k - 1], 14.9);
  EXPECT_LE(y.back(), 290);
  EXPECT_EQ(count(svg, "class=\"legend lines\""), 0u);
  EXPECT_LT(svg.find("term 5</text>"), svg.find("term 0</text>")) << "the highest line's name is the first";
  // A line without an end to be seen has no name there, and too many names become a legend.
  chart.curves[0].points = {{1, NAN}};
  EXPECT_EQ(label_heights(draw_chart(chart)).size(), 5u);
  for (int k = 0; k < 30; ++k) chart.curves.push_back(chart.curves[1]);
  EXPECT_EQ(label_heights(draw_chart(chart)).size(), 0u);
  EXPECT_EQ(count(draw_chart(chart), "class=\"legend lines\""), 1u);
}

TEST(Curves, MarksSayWhereSomethingBegan) {
  Chart chart{"loss", "step", {{"a", {{1, 5}, {200, 1}}, false}}, {}, true, {}, {}, ""};
  chart.marks = {{1, "128 px"}, {60, "181 px"}, {61, "hidden"}, {999, "outside"}};
  const std::string svg = draw_chart(chart);
  EXPECT_EQ(count(svg, "<line class=\"mark\""), 3u);
  EXPECT_NE(svg.find(">128 px<"), std::string::npos);
  EXPECT_NE(svg.find(">181 px<"), std::string::npos);
  EXPECT_EQ(svg.find(">hidden<"), std::string::npos);
  EXPECT_EQ(svg.find(">outside<"), std::string::npos);
}

}  // namespace
}  // namespace fovea
