// Sets in another order and in parts.
#include "fovea/data/subset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "fovea/base/error.h"
#include "fovea/data/drawn.h"
#include "fovea/data/split.h"

namespace fovea {
namespace {

using Indices = std::vector<int64_t>;

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.message();
  }
  return "";
}

Indices counts(const Indices& labels, const Indices& part, int64_t classes) {
  Indices result(static_cast<size_t>(classes), 0);
  for (const int64_t i : part) ++result[static_cast<size_t>(labels[static_cast<size_t>(i)])];
  return result;
}

TEST(Subset, ShuffleDependsOnKeyAndEpochOnly) {
  const Indices order = shuffled_order(1000, 7, 3);
  EXPECT_EQ(order, shuffled_order(1000, 7, 3));
  EXPECT_NE(order, shuffled_order(1000, 7, 4));
  EXPECT_NE(order, shuffled_order(1000, 8, 3));
  Indices sorted = order, all(1000);
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  EXPECT_TRUE(shuffled_order(0, 1, 0).empty());
}

TEST(Subset, EveryOrderIsAsLikely) {
  std::map<Indices, int> seen;
  for (int64_t epoch = 0; epoch < 6000; ++epoch) ++seen[shuffled_order(3, 11, epoch)];
  ASSERT_EQ(seen.size(), 6u);
  for (const auto& entry : seen) EXPECT_NEAR(entry.second, 1000, 5 * std::sqrt(1000 * 5 / 6.0));  // five sigma
}

TEST(Subset, ReadsTheSetItIsAPartOf) {
  const auto shapes = std::make_shared<DrawnShapes>(10, 8, 1);
  const Subset part(shapes, {3, 3, 9}, "three");
  ASSERT_EQ(part.size(), 3);
  EXPECT_EQ(part.get(2).image, shapes->get(9).image);
  EXPECT_EQ(part.label(1), shapes->get(3).label);
  EXPECT_EQ(part.name(2), shapes->name(9));
  EXPECT_EQ(part.classes(), shapes->classes());
  EXPECT_EQ(part.description(), "drawn shapes (three)");
  EXPECT_THROW(part.get(3), Error);
  EXPECT_THROW(Subset(shapes, {10}), Error);
  EXPECT_THROW(Subset(shapes, {-1}), Error);
  EXPECT_EQ(slice(shapes, 8, 5).size(), 2);
  EXPECT_EQ(slice(shapes, 8, 1).original(0), 8);
  EXPECT_EQ(slice(shapes, 11, 5).size(), 0);
  EXPECT_EQ(shuffled(shapes, 5, 2).original(4), shuffled_order(10, 5, 2)[4]);
}

TEST(Split, KeepsProportionsOfEveryClass) {
  Indices labels;
  for (const auto& [label, count] : {std::pair{0, 100}, {1, 37}, {2, 11}}) labels.insert(labels.end(), count, label);
  const auto parts = stratified_parts(labels, {}, {7, 2, 1}, 5);
  Indices all;
  for (const auto& part : parts) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
    all.insert(all.end(), part.begin(), part.end());
  }
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), labels.size());
  EXPECT_EQ(all.size(), labels.size());
  const double shares[] = {0.7, 0.2, 0.1}, sizes[] = {100, 37, 11};
  for (size_t k = 0; k < 3; ++k) {
    const Indices got = counts(labels, parts[k], 3);
    for (size_t c = 0; c < 3; ++c) EXPECT_LT(std::abs(static_cast<double>(got[c]) - shares[k] * sizes[c]), 1);
    EXPECT_LT(std::abs(static_cast<double>(parts[k].size()) - shares[k] * 148), 1.5);
  }
  EXPECT_EQ(counts(labels, parts[0], 3)[0], 70);
}

TEST(Split, RoundingDoesNotPileUpOverTheClasses) {
  Indices labels;
  for (int64_t label = 0; label < 100; ++label) labels.insert(labels.end(), 15, label);  // 13.5 and 1.5 of each class
  const auto parts = stratified_parts(labels, {}, {0.9, 0.1}, 1);
  EXPECT_EQ(parts[0].size(), 1350u);
  EXPECT_EQ(parts[1].size(), 150u);
}

TEST(Split, DependsOnTheKey) {
  const Indices labels(50, 0);
  EXPECT_EQ(stratified_parts(labels, {}, {1, 1}, 3), stratified_parts(labels, {}, {1, 1}, 3));
  EXPECT_NE(stratified_parts(labels, {}, {1, 1}, 3), stratified_parts(labels, {}, {1, 1}, 4));
}

TEST(Split, NamesTheClassThatIsTooSmall) {
  Indices labels(40, 0);
  labels.insert(labels.end(), 4, 1);
  EXPECT_EQ(message_of([&] {
              stratified_parts(labels, {"cat", "dog"}, {9, 1}, 0);
            }),
            "class 1 (dog) has 4 samples, too few for 2 parts of which the smallest is 10 % of the set: at least 5 are "
            "needed");
  labels.push_back(1);
  const auto parts = stratified_parts(labels, {}, {9, 1}, 0);
  EXPECT_EQ(counts(labels, parts[1], 2), (Indices{4, 1}));
  EXPECT_NE(message_of([] { stratified_parts({0, 0}, {}, {1, 1, 1}, 0); }).find("at least 3"), std::string::npos);
  EXPECT_NE(message_of([&] { stratified_parts(labels, {}, {1}, 0); }), "");
  EXPECT_NE(message_of([&] { stratified_parts(labels, {}, {1, 0}, 0); }), "");
  EXPECT_NE(message_of([&] { stratified_parts(labels, {}, {1, std::nan("")}, 0); }), "");
}

TEST(Split, SplitsSets) {
  const auto shapes = std::make_shared<DrawnShapes>(300, 8, 1);
  const std::vector<Subset> parts = stratified_split(shapes, {2, 1}, 9);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].size() + parts[1].size(), 300);
  EXPECT_NEAR(static_cast<double>(parts[1].size()), 100, 1);
  EXPECT_EQ(parts[1].description(), "drawn shapes (part 2 of 2)");
}

}  // namespace
}  // namespace fovea
