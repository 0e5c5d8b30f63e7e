// Sets by name: built-in tables, drawn points and glyphs, and what a wrong name says.
#include "fovea/data/open_data.h"

#include <cmath>
#include <numbers>
#include <set>

#include "fovea/data/drawn_glyphs.h"
#include "fovea/data/drawn_points.h"
#include "fovea/data/statistics.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

struct Point {
  double x, y;
  int64_t label;
};
std::vector<Point> points(const Dataset& set) {
  std::vector<Point> result;
  for (int64_t i = 0; i < set.size(); ++i) {
    const Sample sample = set.get(i);
    result.push_back({sample.values.at(0), sample.values.at(1), sample.label});
  }
  return result;
}

TEST(OpenData, BuiltinTables) {
  const auto iris = open_data("builtin:iris");
  ASSERT_EQ(iris->size(), 150);
  EXPECT_EQ(iris->classes(), (std::vector<std::string>{"setosa", "versicolor", "virginica"}));
  EXPECT_EQ(iris->features()[2], "Petal.Length");
  const SetStatistics s = set_statistics(*iris);
  // The means that Fisher's paper gives for the three species, averaged: 5.843, 3.057, 3.758, 1.199.
  EXPECT_NEAR(s.mean[0], 5.843, 5e-4);
  EXPECT_NEAR(s.mean[1], 3.057, 5e-4);
  EXPECT_NEAR(s.mean[2], 3.758, 5e-4);
  EXPECT_NEAR(s.mean[3], 1.199, 5e-4);
  const auto faithful = open_data("builtin:faithful", {"train"});
  ASSERT_EQ(faithful->size(), 272);
  EXPECT_EQ(faithful->features(), (std::vector<std::string>{"eruptions", "waiting"}));
  EXPECT_EQ(faithful->classes(), std::vector<std::string>{"unlabelled"});
  EXPECT_NEAR(set_statistics(*faithful).mean[1], 70.897, 5e-4);  // R's summary(faithful): 70.9
}

TEST(OpenData, SpiralsAreThePlaygrounds) {
  const auto set = open_data("drawn:spirals?count=200", {"train"});
  const std::vector<Point> all = points(*set);
  ASSERT_EQ(all.size(), 200u);
  for (size_t i = 0; i < all.size(); ++i) {
    const double share = static_cast<double>(i / 2) / 100, r = share * 5;
    const double t = 1.75 * share * 2 * std::numbers::pi + (i % 2 == 0 ? 0 : std::numbers::pi);
    EXPECT_EQ(all[i].label, static_cast<int64_t>(i % 2));
    EXPECT_NEAR(all[i].x, r * std::sin(t), 1e-5);
    EXPECT_NEAR(all[i].y, r * std::cos(t), 1e-5);
  }
  double furthest = 0;
  const std::vector<Point> noisy = points(*open_data("drawn:spirals?count=200&noise=0.25", {"train"}));
  for (size_t i = 0; i < all.size(); ++i)
    furthest = std::max({furthest, std::abs(noisy[i].x - all[i].x), std::abs(noisy[i].y - all[i].y)});
  EXPECT_LE(furthest, 0.25 + 1e-5);
  EXPECT_GT(furthest, 0.2);
  EXPECT_EQ(open_data("drawn:spirals?arms=5&count=11")->classes().size(), 5u);
}

TEST(OpenData, PointsFollowTheirRules) {
  for (const Point& p : points(*open_data("drawn:xor?count=1000"))) {
    EXPECT_EQ(p.label, p.x * p.y >= 0 ? 1 : 0);
    EXPECT_GE(std::min(std::abs(p.x), std::abs(p.y)), 0.3 - 1e-6);
    EXPECT_LE(std::max(std::abs(p.x), std::abs(p.y)), 5.3 + 1e-6);
  }
  for (const Point& p : points(*open_data("drawn:rings?count=1000"))) {
    const double r = std::hypot(p.x, p.y);
    EXPECT_TRUE(p.label == 1 ? r <= 2.5 + 1e-5 : r >= 3.5 - 1e-5 && r <= 5 + 1e-5) << r;
  }
  double sum = 0, square = 0;
  for (const Point& p : points(*open_data("drawn:blobs?count=20000&noise=0.25"))) {
    const double d = p.x - (p.label == 1 ? 2 : -2);
    sum += d, square += d * d;
  }
  EXPECT_NEAR(sum / 20000, 0, 5 * 1.5 / std::sqrt(20000.0));
  EXPECT_NEAR(square / 20000, 0.5 + 7 * 0.25, 5 * 2.25 * std::sqrt(2 / 20000.0));
  for (const Point& p : points(*open_data("drawn:moons?count=500&noise=0")))
    EXPECT_NEAR(p.label == 0 ? std::hypot(p.x, p.y) : std::hypot(p.x - 1, p.y - 0.5), 1, 1e-5);
}

TEST(OpenData, SplitsAreOtherDraws) {
  for (const char* name : {"drawn:spirals", "drawn:xor", "drawn:rings", "drawn:blobs", "drawn:moons"}) {
    std::set<std::pair<double, double>> seen;
    size_t count = 0;
    for (const char* split : {"train", "test", "val"})
      for (const Point& p : points(*open_data(name, {split}))) seen.insert({p.x, p.y}), ++count;
    EXPECT_EQ(seen.size(), count - (std::string(name) == "drawn:spirals" ? 1 : 0)) << name;  // both arms begin at 0
  }
  for (const char* name : {"drawn:shapes?count=30", "drawn:glyphs?count=30"}) {
    const auto train = open_data(name, {"train"}), test = open_data(name), again = open_data(name);
    EXPECT_FALSE(train->get(3).image == test->get(3).image) << name;
    EXPECT_TRUE(again->get(3).image == test->get(3).image) << name;
    EXPECT_EQ(again->label(3), test->get(3).label) << name;
    EXPECT_FALSE(open_data(std::string(name) + "&seed=1")->get(3).image == test->get(3).image) << name;
  }
}

TEST(DrawnGlyphs, EveryDigitAsOftenAndUnlikeTheOthers) {
  GlyphOptions options;
  options.count = 400;
  const DrawnGlyphs set(options, 1);
  EXPECT_EQ(set.get(0).image.width(), 28);
  std::vector<int> counts(10);
  for (int64_t i = 0; i < 400; ++i) ++counts[static_cast<size_t>(set.label(i))];
  EXPECT_EQ(counts, std::vector<int>(10, 40));
  // The nearest of 300 others by pixels has the same label far more often than the one time in ten of chance.
  int right = 0;
  std::vector<Sample> all;
  for (int64_t i = 0; i < 400; ++i) all.push_back(set.get(i));
  for (size_t i = 300; i < 400; ++i) {
    int64_t nearest = INT64_MAX, label = -1;
    for (size_t k = 0; k < 300; ++k) {
      int64_t distance = 0;
      for (size_t p = 0; p < 784; ++p) {
        const int d = std::as_const(all[i].image).samples()[p] - std::as_const(all[k].image).samples()[p];
        distance += d * d;
      }
      if (distance < nearest) nearest = distance, label = all[k].label;
    }
    right += label == all[i].label;
  }
  EXPECT_GE(right, 60);
  EXPECT_LT(right, 100);  // and yet there is something to learn
}

TEST(OpenData, WrongNamesAreExplained) {
  const auto refuses = [](ErrorKind kind, const std::string& name, const std::vector<std::string>& words) {
    expect_error(kind, words, [&] { open_data(name); });
  };
  refuses(ErrorKind::usage, "builtin:irys", {"did you mean \"iris\"", "faithful"});
  refuses(ErrorKind::usage, "drawn:spiral", {"did you mean \"spirals\""});
  refuses(ErrorKind::usage, "drawn:xor?turns=2", {"unknown option \"turns\"", "count", "noise"});
  refuses(ErrorKind::usage, "drawn:spirals?noise=x", {"noise is \"x\""});
  refuses(ErrorKind::usage, "drawn:spirals?noise=-1", {"noise=-1"});
  refuses(ErrorKind::usage, "drawn:spirals?arms=1", {"arms=1", "2 to 16"});
  refuses(ErrorKind::usage, "drawn:spirals?count", {"\"count\" is no option"});
  refuses(ErrorKind::usage, "drawn:spirals?count=1&count=2", {"given twice"});
  refuses(ErrorKind::usage, "drawn:glyphs?size=4", {"size=4"});
  refuses(ErrorKind::usage, "drawn:xor?count=0", {"0 points"});
  refuses(ErrorKind::usage, "drawn:blobs?count=1e12", {"1000000000000 points", "10000000"});
  refuses(ErrorKind::io, "iris", {"did you mean \"builtin:iris\""});
  refuses(ErrorKind::io, "mnits", {"did you mean \"mnist\""});
  expect_error(ErrorKind::usage, {"unknown split"}, [] { open_data("builtin:iris", {"all"}); });
}

class FetchedNames : public WithFolder {};

TEST_F(FetchedNames, SvhnLiesInItsFolder) {
  const fs::path golden = fs::path(FOVEA_SOURCE_DIR) / "tests/golden/mat/files";
  fs::copy_file(golden / "plain.mat", folder_ / "test_32x32.mat");
  const std::string name = folder_.string();
  expect_error(ErrorKind::io, {"no train split of SVHN", "test_32x32.mat"}, [&] { open_data(name, {"train"}); });
  fs::copy_file(golden / "svhn_32x32.mat", folder_ / "train_32x32.mat");
  EXPECT_EQ(open_data(name, {"train"})->size(), 12);
  EXPECT_EQ(open_data(name)->size(), 2);
  EXPECT_EQ(open_data(name + "/train_32x32.mat")->size(), 12);
  EXPECT_TRUE(has_splits(name));
}

TEST_F(FetchedNames, AreFoundWhereTheyLie) {
  const char* before = std::getenv("FOVEA_DATA");
  const std::string saved = before ? before : "";
  ::setenv("FOVEA_DATA", folder_.c_str(), 1);
  ::setenv("FOVEA_CACHE", (folder_ / "cache").c_str(), 1);
  expect_error(ErrorKind::io, {"mnist", "fovea fetch mnist"}, [] { open_data("mnist"); });
  for (const char* split : {"t10k", "train"}) {
    write(fmt::format("mnist/{}-images-idx3-ubyte", split), idx_pictures(2));
    write(fmt::format("mnist/{}-labels-idx1-ubyte", split), idx({2}, std::string("\x01\x02", 2)));
  }
  EXPECT_EQ(open_data("mnist")->label(1), 2);
  ::unsetenv("FOVEA_CACHE");
  if (before) ::setenv("FOVEA_DATA", saved.c_str(), 1);
  else ::unsetenv("FOVEA_DATA");
}

}  // namespace
}  // namespace fovea
