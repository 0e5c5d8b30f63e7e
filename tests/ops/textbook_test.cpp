// The small examples that textbooks work out by hand.
#include <gtest/gtest.h>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flip.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max_pool.h"

namespace fovea {
namespace {

using Rows = std::vector<std::vector<float>>;

Tensor picture(const Rows& rows) {
  std::vector<float> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return Tensor::of<float>({1, 1, static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}, values);
}

// The last two axes of a value that needs no feeds.
Rows rows_of(const Graph& g, Value v) {
  const Value wants[] = {v};
  const Tensor t = evaluate(g, {}, wants)[0];
  Rows rows(static_cast<size_t>(t.size(-2)), std::vector<float>(static_cast<size_t>(t.size(-1))));
  int64_t i = 0;
  for (auto& row : rows)
    for (float& element : row) element = static_cast<float>(t.at(i++));
  return rows;
}

void expect_near(const Rows& got, const Rows& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t y = 0; y < got.size(); ++y)
    for (size_t x = 0; x < got[y].size(); ++x)
      EXPECT_NEAR(got[y][x], expected[y][x], 1e-4) << "row " << y << ", column " << x;
}

// A bright block on columns 2..5: the Prewitt kernel answers +3 at its left edge and −3 at its right one; at the top
// and at the bottom one of the three rows is padding.
TEST(Textbook, PrewittFindsVerticalEdges) {
  Graph g;
  const Value x = constant(g, picture(Rows(8, {0, 0, 1, 1, 1, 1, 0, 0})));
  const Value w = constant(g, picture(Rows(3, {-1, 0, 1})));
  Rows expected(8, {0, 3, 3, 0, 0, -3, -3, 0});
  expected.front() = expected.back() = {0, 2, 2, 0, 0, -2, -2, 0};
  EXPECT_EQ(rows_of(g, conv(g, x, w, {}, {.pad = 1})), expected);
}

TEST(Textbook, AveragePoolingIsAConvolution) {
  Graph g;
  const Value x = constant(g, picture({{1, 1, 2, 4}, {5, 6, 7, 8}, {3, 2, 1, 0}, {1, 2, 3, 4}}));
  const Value quarter = constant(g, picture({{0.25f, 0.25f}, {0.25f, 0.25f}}));
  const Rows expected{{3.25f, 5.25f}, {2, 2}};
  EXPECT_EQ(rows_of(g, conv(g, x, quarter, {}, {.stride = 2})), expected);
  EXPECT_EQ(rows_of(g, average_pool(g, x, {.kernel = {2, 2}, .stride = 2})), expected);
}

TEST(Textbook, MaxPooling) {
  Graph g;
  const Value x = constant(g, picture({{1, 1, 2, 4}, {5, 6, 7, 8}, {3, 2, 1, 0}, {1, 2, 3, 4}}));
  EXPECT_EQ(rows_of(g, max_pool(g, x, {.kernel = {2, 2}, .stride = 2})), (Rows{{6, 8}, {3, 4}}));
}

// A block of 90s with one dark pixel in it, and one bright pixel outside.
TEST(Textbook, MovingAverage) {
  Rows rows(10, std::vector<float>(10, 0));
  for (size_t y = 2; y <= 6; ++y)
    for (size_t x = 3; x <= 7; ++x) rows[y][x] = 90;
  rows[5][4] = 0;
  rows[8][2] = 90;
  const Rows expected{{0, 10, 20, 30, 30, 30, 20, 10},  {0, 20, 40, 60, 60, 60, 40, 20},
                      {0, 30, 60, 90, 90, 90, 60, 30},  {0, 30, 50, 80, 80, 90, 60, 30},
                      {0, 30, 50, 80, 80, 90, 60, 30},  {0, 20, 30, 50, 50, 60, 40, 20},
                      {10, 20, 30, 30, 30, 30, 20, 10}, {10, 10, 10, 0, 0, 0, 0, 0}};
  Graph g;
  const Value x = constant(g, picture(rows));
  expect_near(rows_of(g, conv(g, x, constant(g, picture(Rows(3, std::vector<float>(3, 1.0f / 9)))))), expected);
  expect_near(rows_of(g, average_pool(g, x, {.kernel = 3})), expected);
}

// Around a single bright pixel, convolution draws the kernel and correlation draws it turned around.
TEST(Textbook, ConvolutionFlipsAndCorrelationDoesNot) {
  Rows impulse(5, std::vector<float>(5, 0));
  impulse[2][2] = 1;
  const Rows kernel{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
  Graph g;
  const Value x = constant(g, picture(impulse)), w = constant(g, picture(kernel));
  EXPECT_EQ(rows_of(g, conv(g, x, w)), (Rows{{9, 8, 7}, {6, 5, 4}, {3, 2, 1}}));
  EXPECT_EQ(rows_of(g, conv(g, x, flip(g, w))), kernel);
}

// y[i] = Σ_j h[i − j] x[j]: the full convolution of 6 samples with 3 taps is an 8×6 banded matrix times the samples.
TEST(Textbook, ConvolutionIsABandedToeplitzProduct) {
  const std::vector<float> x{3, 1, 4, 1, 5, 9}, h{2, -1, 7};
  Tensor toeplitz(DType::f32, {8, 6});
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t j = 0; j < 6; ++j)
      if (i - j >= 0 && i - j < 3) toeplitz.set(i * 6 + j, h[static_cast<size_t>(i - j)]);
  Graph g;
  const Value convolved = conv(g, constant(g, Tensor::of<float>({1, 1, 6}, x)),
                               flip(g, constant(g, Tensor::of<float>({1, 1, 3}, h))), {}, {.pad = 2});
  const Value product = matmul(g, constant(g, toeplitz), constant(g, Tensor::of<float>({6, 1}, x)));
  const Value wants[] = {convolved, product};
  const auto results = evaluate(g, {}, wants);
  ASSERT_EQ(results[0].count(), 8);
  const std::vector<double> expected{6, -1, 28, 5, 37, 20, 26, 63};
  EXPECT_EQ(results[0].to_doubles(), expected);
  EXPECT_EQ(results[1].to_doubles(), expected);
}

}  // namespace
}  // namespace fovea
