#include <gtest/gtest.h>

#include "fovea/model/receptive_field.h"

#include "fovea/ops/add.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/slice.h"

namespace fovea {
namespace {

struct Net {
  Graph graph;
  Value x = input(graph, "x", {DType::f32, {1, 1, 32, 32}});
  Value conv_of(Value v, int64_t k, int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1) {
    const int64_t channels = graph.shape(v)[1];
    return conv(graph, v, parameter(graph, "", {DType::f32, {channels, channels, k, k}}), {},
                {.stride = stride, .dilation = dilation, .pad = pad});
  }
  ReceptiveField field(Value v) const { return receptive_fields(graph, x)[static_cast<size_t>(v.node)].at(0); }
};

TEST(ReceptiveField, PoolAfterConvolutionIsPPlusKMinusOne) {
  for (const int64_t k : {1, 3, 5})
    for (const int64_t p : {2, 3}) {
      Net net;
      const Value y = max_pool(net.graph, net.conv_of(net.x, k), {.kernel = {p, p}, .stride = {p, p}});
      EXPECT_EQ(net.field(y), (ReceptiveField{static_cast<double>(p + k - 1), static_cast<double>(p), 0}));
    }
}

TEST(ReceptiveField, StridePaddingAndDilation) {
  Net net;
  const Value a = net.conv_of(net.x, 3, 2, 1), b = net.conv_of(a, 3, 1, 2, 2);
  EXPECT_EQ(net.field(a), (ReceptiveField{3, 2, -1}));
  EXPECT_EQ(net.field(b), (ReceptiveField{3 + 4 * 2, 2, -1 - 2 * 2}));
}

TEST(ReceptiveField, BranchesTakeTheUnion) {
  Net net;
  const Value one = net.conv_of(net.x, 1), five = net.conv_of(net.x, 5, 1, 2);
  EXPECT_EQ(net.field(concat(net.graph, {one, five})), (ReceptiveField{5, 1, -2}));
  const Value residual = add(net.graph, net.x, relu(net.graph, net.conv_of(net.conv_of(net.x, 3, 1, 1), 3, 1, 1)));
  EXPECT_EQ(net.field(residual), (ReceptiveField{5, 1, -2}));
}

TEST(ReceptiveField, GlobalPoolingSeesEverything) {
  Net net;
  const Value y = global_average_pool(net.graph, net.conv_of(net.x, 3));
  EXPECT_EQ(net.field(y), (ReceptiveField{32, 0, 0, true}));
}

TEST(ReceptiveField, TransposedConvolutionAndUpsampling) {
  Net net;
  const Value down = net.conv_of(net.x, 2, 2);
  const Value weight = parameter(net.graph, "w", {DType::f32, {1, 1, 2, 2}});
  const Value up = conv_input_gradient(net.graph, down, weight, {.stride = 2, .sizes = {32, 32}});
  EXPECT_EQ(net.field(up).stride, 1);
  EXPECT_EQ(net.field(up).size, 3);  // two pixels, wherever in the pair the unit is
  const Value nearest = resize_to(net.graph, down, {32, 32}, {.mode = "nearest"});
  EXPECT_EQ(net.field(nearest).stride, 1);
  EXPECT_GE(net.field(nearest).size, 2);
}

// The shortcut of option A in ResNets for CIFAR: every second position, and channels of zeros.
TEST(ReceptiveField, SlicesAndPaddingMoveTheField) {
  Net net;
  const Value a = net.conv_of(net.x, 3, 1, 1);
  const Value rows = slice(net.graph, a, 2, 0, 32, 2), both = slice(net.graph, rows, 3, 0, 32, 2);
  EXPECT_EQ(net.field(both), (ReceptiveField{3, 2, -1}));
  EXPECT_EQ(net.field(pad(net.graph, both, {0, 1, 0, 0}, {0, 1, 0, 0})), (ReceptiveField{3, 2, -1}));
  EXPECT_EQ(net.field(pad(net.graph, both, {0, 0, 2, 0}, {0, 0, 0, 0})), (ReceptiveField{3, 2, -5}));
  EXPECT_EQ(net.field(slice(net.graph, a, 2, -30, 32)), (ReceptiveField{3, 1, 1}));
  EXPECT_EQ(net.field(slice(net.graph, a, -2, 4, 32, 3)), (ReceptiveField{3, 3, 3}));
  EXPECT_EQ(net.field(slice(net.graph, a, 1, 0, 1)), (ReceptiveField{3, 1, -1})) << "channels";
  EXPECT_TRUE(net.field(slice(net.graph, a, 2, 31, -33, -1)).whole) << "backwards: no field of this kind";
}

TEST(ReceptiveField, SeenByIsCutOffAtTheEdges) {
  const Interval i = seen_by({7, 4, -3}, 0, 32);
  EXPECT_EQ(i.begin, 0);
  EXPECT_EQ(i.end, 4);
  EXPECT_EQ(seen_by({7, 4, -3}, 7, 32).end, 32);
}

}  // namespace
}  // namespace fovea
