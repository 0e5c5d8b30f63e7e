// Operators that move elements, against numbers written out by hand; and shape arithmetic, which must be resolved while
// building.
#include <gtest/gtest.h>

#include <numeric>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/add.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/constant_of_shape.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/cumsum.h"
#include "fovea/ops/depth_to_space.h"
#include "fovea/ops/div.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/flip.h"
#include "fovea/ops/floor.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/one_hot.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/range.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/roll.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/split.h"
#include "fovea/ops/squeeze.h"
#include "fovea/ops/tile.h"
#include "fovea/ops/unsqueeze.h"
#include "fovea/ops/where.h"

namespace fovea {
namespace {

using List = std::vector<int64_t>;

Value counting(Graph& g, Shape shape) {
  List values(static_cast<size_t>(shape.count()));
  std::iota(values.begin(), values.end(), 0);
  return constant(g, Tensor::of<int64_t>(std::move(shape), values));
}
List known(const Graph& g, Value v) { return g.known(v)->to_ints(); }

TEST(Movement, SlicesForwardsAndBackwards) {
  Graph g;
  const Value x = counting(g, {10});
  EXPECT_EQ(known(g, slice(g, x, 0, 2, 5)), (List{2, 3, 4}));
  EXPECT_EQ(known(g, slice(g, x, 0, -3, INT64_MAX)), (List{7, 8, 9}));
  EXPECT_EQ(known(g, slice(g, x, 0, 1, 8, 3)), (List{1, 4, 7}));
  EXPECT_EQ(known(g, slice(g, x, 0, -1, INT64_MIN, -4)), (List{9, 5, 1}));
  EXPECT_EQ(known(g, slice(g, x, -1, 100, 6, -1)), (List{9, 8, 7}));
  EXPECT_EQ(known(g, slice(g, x, 0, 20, 1000)), List{});
  EXPECT_THROW(slice(g, x, 0, 0, 1, 0), Error);
}

TEST(Movement, PadsInEveryMode) {
  Graph g;
  const Value x = counting(g, {3});
  EXPECT_EQ(known(g, pad(g, x, {2}, {1}, {}, 9)), (List{9, 9, 0, 1, 2, 9}));
  EXPECT_EQ(known(g, pad(g, x, {3}, {2}, {.mode = "reflect"})), (List{1, 2, 1, 0, 1, 2, 1, 0}));
  EXPECT_EQ(known(g, pad(g, x, {2}, {1}, {.mode = "edge"})), (List{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(known(g, pad(g, x, {2}, {4}, {.mode = "wrap"})), (List{1, 2, 0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(known(g, pad(g, x, {-1}, {1}, {}, 9)), (List{1, 2, 9}));
  EXPECT_THROW(pad(g, x, Ints{-2}, Ints{-2}), Error);
  EXPECT_THROW(pad(g, x, {1}, {1}, {.mode = "mirror"}), Error);
}

TEST(Movement, GatherChecksItsIndices) {
  Graph g;
  const Value x = counting(g, {3, 2});
  EXPECT_EQ(known(g, gather(g, x, ints(g, {-1, 0}))), (List{4, 5, 0, 1}));
  EXPECT_THROW(gather(g, x, ints(g, {3})), Error);
  const Value at = input(g, "at", {DType::i64, {1}});
  const Value wants[] = {gather(g, x, at)};
  EXPECT_THROW(evaluate(g, {{"at", Tensor::ints({-4})}}, wants), Error);
}

TEST(Movement, SplitsUnevenly) {
  Graph g;
  const auto pieces = split(g, counting(g, {7}), {.axis = 0, .parts = 4});
  ASSERT_EQ(pieces.size(), 4U);
  EXPECT_EQ(known(g, pieces[0]), (List{0, 1}));
  EXPECT_EQ(known(g, pieces[3]), (List{6}));
  EXPECT_THROW(split(g, counting(g, {7}), {.axis = 0, .sizes = {3, 3}}), Error);
}

TEST(Movement, SmallOnes) {
  Graph g;
  EXPECT_EQ(known(g, roll(g, counting(g, {5}), {2}, {0})), (List{3, 4, 0, 1, 2}));
  EXPECT_EQ(known(g, tile(g, counting(g, {2, 2}), Ints{1, 2})), (List{0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(known(g, range(g, ints(g, {5}), ints(g, {-1}), ints(g, {-2}))), (List{5, 3, 1}));
  EXPECT_EQ(known(g, one_hot(g, ints(g, {1, -1, 7}), ints(g, {3}), ints(g, {0, 1}))),
            (List{0, 1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(known(g, cumsum(g, counting(g, {4}), {.exclusive = true, .reverse = true})), (List{6, 5, 3, 0}));
  EXPECT_EQ(known(g, concat(g, {counting(g, {2, 1}), counting(g, {2, 2})}, 1)), (List{0, 0, 1, 1, 2, 3}));
  // The example of ONNX DepthToSpace: 8 channels of one pixel row.
  const Value x = counting(g, {1, 8, 1, 1});
  EXPECT_EQ(known(g, depth_to_space(g, x, {2, "DCR"})), (List{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT_EQ(known(g, depth_to_space(g, x, {2, "CRD"})), (List{0, 1, 2, 3, 4, 5, 6, 7}));
}

// The way exporters write x.view(x.size(0), -1).
TEST(ShapeArithmetic, ViewIsKnownWhileBuilding) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {2, 3, 4, 5}});
  const Value batch = unsqueeze(g, gather(g, shape(g, x), constant(g, Tensor::scalar<int64_t>(0))), 0);
  const Value target = concat(g, {batch, ints(g, {-1})}, 0);
  ASSERT_NE(g.known(target), nullptr);
  EXPECT_EQ(g.shape(reshape(g, x, target)), (Shape{2, 60}));
}

// The way they write "the output is twice the input", and "-1 means the input's size" (expand).
TEST(ShapeArithmetic, SizesAndConditionsAreKnownWhileBuilding) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1, 3, 7, 9}});
  const Value space = slice(g, shape(g, x), 0, 2, 4);
  EXPECT_EQ(known(g, mul(g, space, ints(g, {2}))), (List{14, 18}));
  const Value scaled = floor(g, mul(g, cast(g, space, DType::f32), constant(g, Tensor::scalar(1.5F))));
  EXPECT_EQ(known(g, cast(g, scaled, DType::i64)), (List{10, 13}));
  const Value asked = ints(g, {-1, 3, 5, 5});
  const Value minus = equal(g, asked, ints(g, {-1}));
  EXPECT_EQ(known(g, where(g, minus, shape(g, x), asked)), (List{1, 3, 5, 5}));
  EXPECT_EQ(known(g, reduce(g, shape(g, x), {.kind = "prod"})), (List{189}));
  EXPECT_EQ(known(g, maximum(g, space, ints(g, {8}))), (List{8, 9}));
  EXPECT_EQ(known(g, div(g, add(g, space, ints(g, {1})), ints(g, {2}))), (List{4, 5}));
  EXPECT_EQ(known(g, squeeze(g, constant_of_shape(g, ints(g, {1, 2}), {Tensor::ints({4})}))), (List{4, 4}));
}

TEST(ShapeArithmetic, RunTimeValuesAreRefusedWithAReason) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {4}}), starts = input(g, "starts", {DType::i64, {1}});
  try {
    slice(g, x, starts, ints(g, {2}));
    FAIL();
  } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::unsupported); }
}

// Convolving (0, 1, 0) with a kernel gives the kernel; cross-correlating gives it backwards.
TEST(Flip, TurnsCorrelationIntoConvolution) {
  Graph g;
  const Value impulse = constant(g, Tensor::of<float>({1, 1, 5}, {0, 0, 1, 0, 0}));
  const Value w = constant(g, Tensor::of<float>({1, 1, 3}, {1, 2, 3}));
  EXPECT_EQ(g.known(conv(g, impulse, flip(g, w)))->to_doubles(), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(g.known(conv(g, impulse, w))->to_doubles(), (std::vector<double>{3, 2, 1}));
}

}  // namespace
}  // namespace fovea
