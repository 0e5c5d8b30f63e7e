// Builders that make several nodes, and what single cases cannot say about an operator. Numbers of the composites are
// checked by the ONNX vectors; here are their gradients, their edges and their errors.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "fovea/ops/arg_max.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/lp_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/normalise.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/top_k.h"
#include "fovea/transform/gradient.h"
#include "tests/transform/differences.h"

namespace fovea {
namespace {

using testing::Feeds;
using testing::random_tensor;

using Build = std::function<Value(Graph&, const std::vector<Value>&)>;

// Builds a composite of inputs with these shapes and checks the gradient of ⟨v, result⟩ for a random v.
void check(const std::vector<Shape>& shapes, const Build& build) {
  const Rng rng(11);
  Graph g;
  std::vector<Value> in;
  Feeds feeds;
  for (size_t k = 0; k < shapes.size(); ++k) {
    const std::string name = fmt::format("in{}", k);
    in.push_back(input(g, name, {DType::f64, shapes[k]}));
    feeds[name] = random_tensor(shapes[k], rng.fork(k));
  }
  const Value y = build(g, in);
  const Value loss = reduce(g, mul(g, y, constant(g, random_tensor(g.shape(y), rng.fork("v")))));
  const auto gradients = gradient(g, loss, in);
  verify(g);
  testing::expect_gradients(g, feeds, loss, in, gradients, rng.fork("directions"));
}

Tensor value_of(const Graph& g, Value v) {
  const Value wants[] = {v};
  return evaluate(g, {}, wants)[0];
}

TEST(Composite, ConvTranspose) {
  const auto make = [](ConvTransposeSettings s) {
    return [s](Graph& g, const std::vector<Value>& in) { return conv_transpose(g, in[0], in[1], in[2], s); };
  };
  check({{2, 4, 3, 5}, {4, 3, 3, 2}, {3}}, make({}));
  check({{2, 4, 3, 5}, {4, 3, 3, 2}, {6}},
        make({.stride = {2, 3}, .pad = {1, 0, 0, 1}, .groups = 2, .output_padding = {1, 0}}));
  check({{1, 2, 4}, {2, 3, 3}, {3}}, make({.stride = 2, .auto_pad = "same_lower"}));
  check({{1, 2, 4}, {2, 3, 3}, {3}}, make({.dilation = 3, .output_padding = 2}));
  check({{1, 2, 2, 3, 2}, {2, 1, 2, 2, 3}, {1}}, make({.stride = 2, .output_shape = {4, 7, 5}}));
}

// More output padding than the stride: the kernel never reaches the last elements, only the bias does.
TEST(Composite, ConvTransposeBeyondItsReach) {
  Graph g;
  const Value x = constant(g, Tensor::of<float>({1, 1, 2}, {1, 10})),
              w = constant(g, Tensor::of<float>({1, 1, 2}, {1, 2}));
  const Value bias = constant(g, Tensor::of<float>({1}, {0.5f}));
  const Tensor y = value_of(g, conv_transpose(g, x, w, bias, {.dilation = 3, .output_padding = 2}));
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{1.5, 10.5, 0.5, 2.5, 20.5, 0.5, 0.5}));
}

TEST(Composite, Normalisations) {
  check({{2, 3, 4, 5}, {3}, {3}}, [](Graph& g, const auto& in) { return instance_norm(g, in[0], in[1], in[2], 1e-3); });
  check({{2, 3, 5}, {3, 5}, {5}},
        [](Graph& g, const auto& in) { return layer_norm(g, in[0], in[1], in[2], 1, 1e-3).y; });
  check({{2, 3, 5}, {5}}, [](Graph& g, const auto& in) { return layer_norm(g, in[0], in[1]).inverse_deviation; });
  check({{2, 6, 3, 2}, {6}, {6}}, [](Graph& g, const auto& in) { return group_norm(g, in[0], in[1], in[2], 3); });
  check({{2, 6, 3, 2}, {3}, {3}}, [](Graph& g, const auto& in) { return group_norm(g, in[0], in[1], in[2], 3); });
}

TEST(Composite, Pools) {
  check({{2, 3, 5, 4}},
        [](Graph& g, const auto& in) { return lp_pool(g, in[0], {.kernel = 2, .stride = 2, .ceil = true}); });
  check({{2, 3, 5, 4}}, [](Graph& g, const auto& in) { return lp_pool(g, in[0], {.kernel = 3, .pad = 1, .p = 3}); });
  check({{2, 3, 5, 4}}, [](Graph& g, const auto& in) { return global_lp_pool(g, in[0]); });
  check({{2, 3, 5, 4}}, [](Graph& g, const auto& in) { return global_max_pool(g, in[0]); });
}

TEST(Composite, ResizeTo) {
  check({{1, 2, 5, 4}}, [](Graph& g, const auto& in) { return resize_to(g, in[0], {3, 9}); });
  check({{1, 2, 5, 4}}, [](Graph& g, const auto& in) {
    return resize_to(g, in[0], {3, 2}, {.mode = "cubic", .antialias = true});
  });
}

TEST(Dropout, FollowsItsKeyAndRate) {
  Graph g;
  const Value x = constant(g, Tensor::full(DType::f32, {100, 100}, 3));
  const auto with = [&](int64_t key) {
    return value_of(g, dropout(g, x, scalar(g, double(key), DType::i64), {.rate = 0.25}));
  };
  const Tensor a = with(1), b = with(1), c = with(2);
  EXPECT_TRUE(a.same_bits(b));
  EXPECT_FALSE(a.same_bits(c));
  int64_t kept = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    EXPECT_TRUE(a.at(i) == 0 || a.at(i) == 4) << a.at(i);
    kept += a.at(i) != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept), 7500, 250);  // 5.8 standard deviations of a binomial
}

TEST(Gate, HidesEverythingWhenClosed) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Graph g;
  const Value x = constant(g, Tensor::of<float>({3}, {1, nan, -2}));
  EXPECT_EQ(value_of(g, gate(g, x, constant(g, Tensor::scalar(false)))).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(value_of(g, gate(g, x, constant(g, Tensor::scalar(true)))).at(2), -2);
}

TEST(TopK, KeepsTheOrderOfEqualsAndPutsNanFirst) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Graph g;
  const Value x = constant(g, Tensor::of<float>({6}, {2, 5, nan, 5, -1, 2}));
  const Value top = top_k(g, x, 4);
  EXPECT_EQ(value_of(g, {top.node, 1}).to_ints(), (std::vector<int64_t>{2, 1, 3, 0}));
  EXPECT_EQ(value_of(g, arg_max(g, x, {.keep = false})).at(0), 2);
  EXPECT_EQ(value_of(g, arg_max(g, constant(g, Tensor::of<float>({3}, {5, 1, 5})), {.select_last = true})).at(0), 2);
}

TEST(Composite, RefusesWhatDoesNotFit) {
  Graph g;
  const auto zeros = [&](Shape shape) { return constant(g, Tensor(DType::f32, std::move(shape))); };
  EXPECT_THROW(gemm(g, zeros({2, 3}), zeros({4, 5}), {}, {.trans_b = true}), Error);
  EXPECT_THROW(gemm(g, zeros({2, 3, 1}), zeros({3, 5})), Error);
  EXPECT_THROW(conv_transpose(g, zeros({1, 2, 4}), zeros({3, 1, 2})), Error);
  EXPECT_THROW(conv_transpose(g, zeros({1, 2, 4}), zeros({2, 1, 2}), {}, {.pad = 9}), Error);
  EXPECT_THROW(conv_transpose(g, zeros({1, 2, 4}), zeros({2, 1, 2}), {}, {.stride = 0}), Error);
  EXPECT_THROW(group_norm(g, zeros({1, 4, 3}), zeros({4}), zeros({4}), 3), Error);
  EXPECT_THROW(top_k(g, zeros({4}), 5), Error);
  EXPECT_THROW(dropout(g, zeros({4}), ints(g, {1}), {.rate = 1}), Error);
  EXPECT_THROW(resize_to(g, zeros({1, 1, 4, 4}), {3}), Error);
  EXPECT_THROW(resize_to(g, zeros({1, 1, 4, 4}), {3, -1}), Error);
  EXPECT_THROW(resize_to(g, zeros({1, 1, 4, 4}), {int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(resize_to(g, zeros({1, 1, 4, 4}), {3, 3}, {.mode = "lanczos"}), Error);
}

}  // namespace
}  // namespace fovea
