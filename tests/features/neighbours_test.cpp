// Nearest rows against all pairs in double, on easy and on nasty sets.
#include "fovea/features/neighbours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/features/approximate.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using testing_data::expect_error;

Tensor drawn(int64_t count, int64_t width, uint64_t seed, double scale = 1, double shift = 0) {
  const Rng rng(seed);
  Tensor matrix(DType::f32, {count, width});
  for (int64_t i = 0; i < matrix.count(); ++i) matrix.set(i, shift + scale * rng.normal(static_cast<uint64_t>(i)));
  return matrix;
}

// All pairs, sorted by distance and index.
std::vector<int32_t> by_hand(const Tensor& set, const Tensor& queries, int64_t k, bool own) {
  const int64_t width = set.shape()[1];
  std::vector<int32_t> result;
  for (int64_t q = 0; q < queries.shape()[0]; ++q) {
    std::vector<std::pair<double, int32_t>> all;
    for (int64_t i = 0; i < set.shape()[0]; ++i) {
      if (own && i == q) continue;
      double sums[4] = {};  // the order of sums of the search, so that equal distances stay equal
      int64_t d = 0;
      for (; d + 4 <= width; d += 4)
        for (int64_t l = 0; l < 4; ++l)
          sums[l] += std::pow(queries.at(q * width + d + l) - set.at(i * width + d + l), 2);
      for (; d < width; ++d) sums[0] += std::pow(queries.at(q * width + d) - set.at(i * width + d), 2);
      all.emplace_back((sums[0] + sums[1]) + (sums[2] + sums[3]), static_cast<int32_t>(i));
    }
    std::sort(all.begin(), all.end());
    for (int64_t i = 0; i < k; ++i) result.push_back(all[static_cast<size_t>(i)].second);
  }
  return result;
}

TEST(Neighbours, AreThoseOfAllPairs) {
  for (const auto& [count, width, k] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 3, 1}, {7, 1, 7}, {130, 5, 10}, {700, 17, 3}, {2500, 8, 20}}) {
    const Tensor set = drawn(count, width, 3), queries = drawn(37, width, 4);
    const Neighbours found = nearest_rows({}, rows_of(set), rows_of(queries), k);
    EXPECT_EQ(found.index, by_hand(set, queries, k, false)) << count << " x " << width;
    for (int64_t q = 0; q < 37; ++q)
      for (int64_t i = 1; i < k; ++i)
        EXPECT_LE(found.distance[static_cast<size_t>(q * k + i - 1)], found.distance[static_cast<size_t>(q * k + i)]);
  }
}

TEST(Neighbours, FarFromTheOriginRoundingDoesNotDecide) {
  // Distances of 1e-3 around 1000: ‖q‖² + ‖x‖² − 2 q·x in f32 knows nothing of them.
  const Tensor set = drawn(900, 6, 5, 1e-3, 1000);
  EXPECT_EQ(nearest_rows({}, rows_of(set), 12).index, by_hand(set, set, 12, true));
  // Two clouds far apart: the mean lies between them.
  Tensor clouds = drawn(600, 6, 6, 1e-2, 0);
  for (int64_t i = 0; i < 300 * 6; ++i) clouds.set(i, clouds.at(i) + 3000);
  EXPECT_EQ(nearest_rows({}, rows_of(clouds), 5).index, by_hand(clouds, clouds, 5, true));
}

TEST(Neighbours, OfEqualDistancesTheSmallerIndexComesFirst) {
  const Tensor same = Tensor::full(DType::f32, {500, 4}, 2.5);
  const Neighbours found = nearest_rows({}, rows_of(same), 3);
  EXPECT_EQ(found.index[0], 1);
  EXPECT_EQ(found.index[3], 0);
  EXPECT_EQ((std::vector<int32_t>(found.index.end() - 3, found.index.end())), (std::vector<int32_t>{0, 1, 2}));
  for (const float d : found.distance) EXPECT_EQ(d, 0);
  Tensor grid(DType::f32, {400, 2});  // whole numbers: many ties
  for (int64_t i = 0; i < 400; ++i)
    grid.set(2 * i, static_cast<double>(i % 20)), grid.set(2 * i + 1, static_cast<double>(i / 20));
  EXPECT_EQ(nearest_rows({}, rows_of(grid), 9).index, by_hand(grid, grid, 9, true));
}

TEST(Neighbours, DoNotDependOnThreads) {
  const Tensor set = drawn(1500, 33, 8);
  set_thread_count(1);
  const Neighbours one = nearest_rows({}, rows_of(set), 11);
  set_thread_count(4);
  const Neighbours four = nearest_rows({}, rows_of(set), 11);
  set_thread_count(0);
  EXPECT_EQ(one.index, four.index);
  EXPECT_EQ(one.distance, four.distance);
}

TEST(Neighbours, OfSomeRowsAndOfPixelsAndOfDirections) {
  const Tensor set = drawn(300, 9, 9);
  const Neighbours all = nearest_rows({}, rows_of(set), 4),
                   some = nearest_rows({}, rows_of(set), std::vector<int64_t>{250, 3}, 4);
  EXPECT_TRUE(std::equal(some.index.begin(), some.index.begin() + 4, all.index.begin() + 1000));
  EXPECT_TRUE(std::equal(some.index.begin() + 4, some.index.end(), all.index.begin() + 12));
  const Tensor pictures = Tensor::of<uint8_t>({3, 1, 2, 1}, {0, 255, 255, 255, 0, 128});
  const Neighbours near = nearest_rows({}, pixel_rows(pictures), 1);
  EXPECT_EQ(near.index, (std::vector<int32_t>{2, 0, 0}));
  EXPECT_FLOAT_EQ(near.distance[1], 1.0f);
  // 1 − cos of directions: (1,0), (5,5), (0,2).
  const Tensor arrows = Tensor::of<float>({3, 2}, {1, 0, 5, 5, 0, 2});
  const Neighbours turned = nearest_rows({}, directions(rows_of(arrows)), 2);
  EXPECT_EQ(turned.index[0], 1);
  EXPECT_NEAR(turned.distance[0] * turned.distance[0] / 2, 1 - std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(turned.distance[1] * turned.distance[1] / 2, 1, 1e-6);
}

TEST(Neighbours, SayWhatIsWrong) {
  const Tensor set = drawn(10, 4, 1), other = drawn(10, 5, 1);
  expect_error(ErrorKind::usage, {"5", "4"}, [&] { nearest_rows({}, rows_of(set), rows_of(other), 2); });
  expect_error(ErrorKind::usage, {"10 neighbours", "9 other"}, [&] { nearest_rows({}, rows_of(set), 10); });
  Tensor zeros = drawn(10, 4, 1);
  for (int64_t i = 12; i < 16; ++i) zeros.set(i, 0);
  expect_error(ErrorKind::usage, {"row 3", "zeros", "l2"}, [&] { nearest_rows({}, directions(rows_of(zeros)), 2); });
}

TEST(Neighbours, AgreementByHand) {
  // Four rows, two neighbours each.
  const Neighbours n{2, {1, 2, 0, 2, 3, 0, 2, 1}, {1, 2, 1, 2, 1, 2, 1, 2}};
  const Agreement a = class_agreement(n, {0, 0, 1, 1});
  EXPECT_EQ(a.rows, 4);
  EXPECT_DOUBLE_EQ(a.share, (0.5 + 0.5 + 0.5 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(a.majority, 1);  // of equally many, the nearest one's label
  const Agreement b = class_agreement(n, {0, -1, 1, 1});
  EXPECT_EQ(b.rows, 3);
  EXPECT_DOUBLE_EQ(b.share, (0.0 + 0.5 + 0.5) / 3);
}

TEST(Neighbours, TheGraphFindsNearlyAllAndSaysHowMany) {
  const Tensor set = drawn(2000, 10, 11);
  const ApproximateNeighbours found = approximate_rows({}, rows_of(set), 10, 300);
  EXPECT_GT(found.recall, 0.9);
  EXPECT_GT(found.sample, 200);
  const Neighbours exact = nearest_rows({}, rows_of(set), 10);
  int64_t hits = 0;
  for (int64_t row = 0; row < 2000; ++row)
    for (int64_t i = 0; i < 10; ++i) {
      const auto begin = exact.index.begin() + row * 10;
      EXPECT_NE(found.found.index[static_cast<size_t>(row * 10 + i)], row);
      hits += std::find(begin, begin + 10, found.found.index[static_cast<size_t>(row * 10 + i)]) != begin + 10;
    }
  EXPECT_NEAR(static_cast<double>(hits) / 20000, found.recall, 0.03);
  const ApproximateNeighbours again = approximate_rows({}, rows_of(set), 10, 300);
  EXPECT_EQ(again.found.index, found.found.index);
}

}  // namespace
}  // namespace fovea
