#include "fovea/transform/respecialise.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"

namespace fovea {
namespace {

Value picture(Graph& g, int64_t side) { return input(g, "x", {DType::f32, {1, 3, side, side}}); }

TEST(Respecialise, TransposedConvolutionGrowsWithItsInput) {
  Graph g;
  const Value w = parameter(g, "w", {DType::f32, {3, 4, 4, 4}});
  const Value y = conv_transpose(g, picture(g, 8), w, {}, {.stride = 2, .pad = 1, .output_padding = 1});
  g.outputs = {{"y", y}};
  EXPECT_EQ(g.shape(y), (Shape{1, 4, 17, 17}));
  const Graph larger = respecialise(g, {{"x", {DType::f32, {2, 3, 13, 13}}}});
  EXPECT_EQ(larger.shape(larger.outputs[0].value), (Shape{2, 4, 27, 27}));
  verify(larger);
}

TEST(Respecialise, UnpoolingGivesWhatWasPooled) {
  Graph g;
  const Value pooled = max_pool(g, picture(g, 9), {.kernel = {2, 2}, .stride = 2});
  const Value y = unpool(g, pooled, {pooled.node, 1}, {9, 9});
  g.outputs = {{"y", y}};
  const Graph larger = respecialise(g, {{"x", {DType::f32, {1, 3, 14, 14}}}});
  EXPECT_EQ(larger.shape(larger.outputs[0].value), (Shape{1, 3, 14, 14}));
  verify(larger);
}

TEST(Respecialise, SaysWhichInputIsUnknown) {
  Graph g;
  picture(g, 8);
  EXPECT_THROW(respecialise(g, {{"z", {DType::f32, {1, 3, 8, 8}}}}), Error);
}

}  // namespace
}  // namespace fovea
