// What conformance cannot see: the reference is the definition there. Numbers worked out by hand, or by numpy where
// said.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/div.h"
#include "fovea/ops/gelu.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mod.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/round.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/sub.h"
#include "fovea/transform/gradient.h"

namespace fovea {
namespace {

template <class T>
Value vector(Graph& g, const std::vector<T>& values) {
  return constant(g, Tensor::of<T>({static_cast<int64_t>(values.size())}, values));
}
std::vector<double> known(const Graph& g, Value v) { return g.known(v)->to_doubles(); }

TEST(Elementwise, IntegerDivisionTruncatesAndNeverTraps) {
  Graph g;
  const Value a = vector<int64_t>(g, {7, -7, 7, -7, 5, INT64_MIN}), b = vector<int64_t>(g, {2, 2, -2, -2, 0, -1});
  EXPECT_EQ(g.known(div(g, a, b))->to_ints(), (std::vector<int64_t>{3, -3, -3, 3, 0, INT64_MIN}));
}

TEST(Elementwise, RemaindersHaveTheSignAskedFor) {
  Graph g;
  const Value a = vector<int64_t>(g, {-4, 7, 5, 4, -7, 8, 3}), b = vector<int64_t>(g, {2, -3, 8, -2, 3, 5, 0});
  EXPECT_EQ(g.known(mod(g, a, b))->to_ints(), (std::vector<int64_t>{0, -2, 5, 0, 2, 3, 0}));
  EXPECT_EQ(g.known(mod(g, a, b, {.fmod = true}))->to_ints(), (std::vector<int64_t>{0, 1, 5, 0, -1, 3, 0}));
  const Value x = vector<float>(g, {-4.5F, 5.5F}), y = vector<float>(g, {2, -3});
  EXPECT_EQ(known(g, mod(g, x, y)), (std::vector<double>{1.5, -0.5}));
  EXPECT_EQ(known(g, mod(g, x, y, {.fmod = true})), (std::vector<double>{-0.5, 2.5}));
}

TEST(Elementwise, IntegersWrapAround) {
  Graph g;
  EXPECT_EQ(known(g, mul(g, vector<uint16_t>(g, {65535}), vector<uint16_t>(g, {65535}))), (std::vector<double>{1}));
  EXPECT_EQ(known(g, sub(g, vector<int8_t>(g, {-128}), vector<int8_t>(g, {1}))), (std::vector<double>{127}));
}

TEST(Elementwise, PowersOfMixedTypesHaveTheTypeOfTheBase) {
  Graph g;
  const Value i = vector<int32_t>(g, {1, 2, 3}), f = vector<float>(g, {4, 5, 6});
  EXPECT_EQ(known(g, pow(g, i, f)), (std::vector<double>{1, 32, 729}));
  EXPECT_EQ(g.dtype(pow(g, i, f)), DType::i32);
  EXPECT_EQ(known(g, pow(g, f, i)), (std::vector<double>{4, 25, 216}));
  EXPECT_EQ(known(g, pow(g, i, vector<int64_t>(g, {-1, -1, 3}))), (std::vector<double>{1, 0, 27}));
}

TEST(Elementwise, HalfPrecisionRoundsOnceAtTheEnd) {
  Graph g;
  // 1 + 2^-10 squared is 1 + 2^-9 + 2^-20: rounds to 1 + 2^-9.
  const f16 x(1.0F + 0x1p-10F);
  EXPECT_EQ(known(g, mul(g, vector<f16>(g, {x}), vector<f16>(g, {x}))), (std::vector<double>{1 + 0x1p-9}));
  EXPECT_EQ(known(g, cast(g, vector<float>(g, {70000.0F, 1e-9F}), DType::f16)), (std::vector<double>{INFINITY, 0}));
}

TEST(Elementwise, CastTruncatesAndSaturates) {
  Graph g;
  const Value x = vector<float>(g, {-1.9F, 2.9F, 300, -1e20F, NAN});
  EXPECT_EQ(known(g, cast(g, x, DType::i8)), (std::vector<double>{-1, 2, 127, -128, 0}));
  EXPECT_EQ(known(g, cast(g, x, DType::boolean)), (std::vector<double>{1, 1, 1, 1, 1}));
}

TEST(Elementwise, RoundsHalvesToEven) {
  Graph g;
  const Value x = vector<float>(g, {-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 0.49999997F, 8388609, 0.9F});
  EXPECT_EQ(known(g, round(g, x)), (std::vector<double>{-2, -2, 0, 0, 2, 2, 0, 8388609, 1}));
}

TEST(Elementwise, NothingOverflowsFarFromZero) {
  Graph g;
  const Value x = vector<float>(g, {-1000, 1000});
  EXPECT_EQ(known(g, sigmoid(g, x)), (std::vector<double>{0, 1}));
  EXPECT_EQ(known(g, softplus(g, x)), (std::vector<double>{0, 1000}));
  EXPECT_EQ(known(g, gelu(g, x)), (std::vector<double>{0, 1000}));
}

TEST(Elementwise, MaximumPassesNaNOn) {
  Graph g;
  const auto result = known(g, maximum(g, vector<float>(g, {NAN, 1}), vector<float>(g, {1, NAN})));
  EXPECT_TRUE(std::isnan(result[0]) && std::isnan(result[1]));
}

TEST(Elementwise, TiesShareTheGradient) {
  Graph g;
  const Value a = input(g, "a", {DType::f32, {3}}), b = input(g, "b", {DType::f32, {3}});
  const Value wrt[] = {a, b};
  const auto d = gradient(g, reduce(g, maximum(g, a, b)), wrt);
  const auto results =
      evaluate(g, {{"a", Tensor::of<float>({3}, {1, 2, 3})}, {"b", Tensor::of<float>({3}, {2, 2, 2})}}, d);
  EXPECT_EQ(results[0].to_doubles(), (std::vector<double>{0, 0.5, 1}));
  EXPECT_EQ(results[1].to_doubles(), (std::vector<double>{1, 0.5, 0}));
}

TEST(Elementwise, ClipLetsTheUpperBoundWin) {
  Graph g;
  EXPECT_EQ(known(g, clip(g, vector<float>(g, {-1, 5}), {.min = 3, .max = 2})), (std::vector<double>{2, 2}));
  const Value low = constant(g, Tensor::scalar<int8_t>(0));
  EXPECT_EQ(known(g, clip(g, vector<int8_t>(g, {-5, 7}), low, {})), (std::vector<double>{0, 7}));
}

TEST(Elementwise, RefusesWhatHasNoMeaning) {
  Graph g;
  EXPECT_THROW(mul(g, vector<bool>(g, {true}), vector<bool>(g, {true})), Error);
  EXPECT_THROW(sigmoid(g, vector<int64_t>(g, {1})), Error);
  EXPECT_THROW(mul(g, vector<float>(g, {1}), vector<int64_t>(g, {1})), Error);
  EXPECT_THROW(gelu(g, vector<float>(g, {1}), {.approximate = "fast"}), Error);
}

}  // namespace
}  // namespace fovea
