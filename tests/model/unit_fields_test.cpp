// The pixels that a unit sees are those whose change changes it: found here by changing every row and column.
#include <gtest/gtest.h>

#include "fovea/model/unit_fields.h"

#include <functional>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/model/receptive_field.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/add.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/softmax.h"

namespace fovea {
namespace {

constexpr int64_t kHeight = 19, kWidth = 22;

// A network on one channel whose weights are all positive, so that more light anywhere is never less of an answer.
struct Net {
  Graph graph;
  Weights weights;
  Value x = input(graph, "x", {DType::f32, {1, 1, kHeight, kWidth}});
  Value weight(Shape shape) {
    const Value w = parameter(graph, "", {DType::f32, shape});
    weights[graph.node(w).name] = Tensor::full(DType::f32, shape, 1);
    return w;
  }
  Value conv_of(Value v, int64_t k, int64_t stride = 1, Ints pad = 0, int64_t dilation = 1) {
    const int64_t channels = graph.shape(v)[1];
    return conv(graph, v, weight({2, channels, k, k}), {}, {.stride = stride, .dilation = dilation, .pad = pad});
  }
};

// For each position of a map's axis the hull of the rows (axis 0) or columns (axis 1) that change it.
std::vector<Interval> found_by_changing(const Net& net, Value v, size_t axis) {
  Program program = compile(net.graph, std::vector<Value>{v}, net.weights, reference_backend(), {.level = 0});
  const Tensor before = program.run({{"x", Tensor(DType::f32, {1, 1, kHeight, kWidth})}})[0];
  const Shape& s = before.shape();
  const bool map = s.rank() == 4;
  std::vector<Interval> seen(map ? static_cast<size_t>(s[static_cast<int64_t>(axis) + 2]) : 1);
  for (int64_t line = 0; line < (axis == 0 ? kHeight : kWidth); ++line) {
    Tensor lit(DType::f32, {1, 1, kHeight, kWidth});
    for (int64_t i = 0; i < (axis == 0 ? kWidth : kHeight); ++i)
      lit.set(axis == 0 ? line * kWidth + i : i * kWidth + line, 1);
    const Tensor after = program.run({{"x", lit}})[0];
    for (int64_t i = 0; i < after.count(); ++i) {
      if (after.at(i) == before.at(i)) continue;
      const int64_t position = !map ? 0 : axis == 0 ? i / s[3] % s[2] : i % s[3];
      Interval& to = seen[static_cast<size_t>(position)];
      to = to.begin >= to.end ? Interval{line, line + 1} : Interval{to.begin, line + 1};
    }
  }
  return seen;
}

void expect_exact(const char* what, const std::function<Value(Net&)>& build) {
  SCOPED_TRACE(what);
  Net net;
  const Value v = build(net);
  const UnitFields fields(net.graph, net.x);
  for (size_t axis = 0; axis < 2; ++axis) {
    const std::vector<Interval> expected = found_by_changing(net, v, axis);
    ASSERT_EQ(fields.positions(v.node, axis), static_cast<int64_t>(expected.size()));
    for (size_t p = 0; p < expected.size(); ++p) {
      const Interval seen = fields.seen(v.node, axis, static_cast<int64_t>(p));
      EXPECT_EQ(seen.begin, expected[p].begin) << "axis " << axis << ", position " << p;
      EXPECT_EQ(seen.end, expected[p].end) << "axis " << axis << ", position " << p;
    }
  }
}

TEST(UnitFields, WindowsAreFollowedPositionByPosition) {
  expect_exact("strides that leave the last pixels out, then padding",
               [](Net& n) { return n.conv_of(n.conv_of(n.x, 3, 3), 3, 1, 1); });
  expect_exact("a pooling whose last window is cut off", [](Net& n) {
    return n.conv_of(max_pool(n.graph, n.conv_of(n.x, 3, 2), {.kernel = {3, 3}, .stride = 2, .ceil = true}), 3, 1, 1);
  });
  expect_exact("dilation and padding on one side", [](Net& n) { return n.conv_of(n.x, 3, 2, Ints{0, 1, 3, 2}, 2); });
  expect_exact("average pooling", [](Net& n) {
    return average_pool(n.graph, n.conv_of(n.x, 4), {.kernel = {2, 3}, .stride = {2, 3}, .pad = {1, 1}});
  });
  expect_exact("adaptive pooling whose windows differ", [](Net& n) {
    return adaptive_average_pool(n.graph, n.conv_of(n.x, 2), {4, 5});
  });
}

TEST(UnitFields, BranchesAndBroadcasts) {
  expect_exact("branches of different reach", [](Net& n) {
    return concat(n.graph, {n.conv_of(n.x, 1), n.conv_of(n.x, 5, 1, 2)});
  });
  expect_exact("a residual", [](Net& n) {
    const Value a = n.conv_of(n.x, 3, 2, 1);
    return relu(n.graph, add(n.graph, a, n.conv_of(a, 3, 1, 1)));
  });
  expect_exact("a gate that has seen everything", [](Net& n) {
    const Value a = n.conv_of(n.x, 3, 1, 1);
    return add(n.graph, a, global_average_pool(n.graph, a));
  });
}

TEST(UnitFields, OperatorsThatMoveOrResizePositions) {
  expect_exact("padding as a node of its own", [](Net& n) {
    return n.conv_of(pad(n.graph, n.x, {0, 0, 2, 1}, {0, 0, 1, 4}), 3, 2);
  });
  expect_exact("reflected padding", [](Net& n) {
    return n.conv_of(pad(n.graph, n.x, {0, 0, 3, 3}, {0, 0, 3, 3}, {.mode = "reflect"}), 3, 2);
  });
  expect_exact("a slice of rows", [](Net& n) { return n.conv_of(slice(n.graph, n.x, 2, 4, 15, 2), 3); });
  expect_exact("rows one below the other", [](Net& n) {
    return concat(n.graph, {slice(n.graph, n.x, 2, 9, 19), slice(n.graph, n.x, 2, 0, 4)}, 2);
  });
  expect_exact("nearest", [](Net& n) {
    return resize_to(n.graph, n.conv_of(n.x, 3, 2), {20, 21}, {.mode = "nearest"});
  });
  expect_exact("bilinear", [](Net& n) { return resize_to(n.graph, n.conv_of(n.x, 3, 2), {13, 31}); });
  expect_exact("a transposed convolution", [](Net& n) {
    const Value down = n.conv_of(n.x, 2, 2);
    const Value w = n.weight({2, 1, 3, 3});
    return conv_input_gradient(n.graph, down, w, {.stride = 2, .pad = {1, 1, 1, 1}, .sizes = {17, 21}});
  });
}

TEST(UnitFields, WholePicturesAndValuesThatAreNoMaps) {
  Net net;
  const Value flat = flatten(net.graph, net.conv_of(net.x, 3));
  const UnitFields fields(net.graph, net.x);
  EXPECT_EQ(fields.positions(flat.node, 0), 1);
  EXPECT_EQ(fields.seen(flat.node, 0, 123).begin, 0);
  EXPECT_EQ(fields.seen(flat.node, 1, 0).end, kWidth);
}

TEST(UnitFields, SoftmaxOverChannelsKeepsPlacesAndOverRowsDoesNot) {
  Net net;
  const Value a = net.conv_of(net.x, 3), channels = softmax(net.graph, a, {.axis = 1}),
              rows = softmax(net.graph, a, {.axis = 2});
  const UnitFields fields(net.graph, net.x);
  EXPECT_EQ(fields.seen(channels.node, 0, 5).begin, 5);
  EXPECT_EQ(fields.seen(channels.node, 0, 5).end, 8);
  EXPECT_EQ(fields.seen(rows.node, 0, 5).end, kHeight);
}

TEST(UnitFields, InTheMiddleTheyAreTheRegularFields) {
  Net net;
  const Value y = net.conv_of(max_pool(net.graph, net.conv_of(net.x, 3), {.kernel = {2, 2}, .stride = {2, 2}}), 3);
  const ReceptiveField regular = receptive_fields(net.graph, net.x)[static_cast<size_t>(y.node)][1];
  const UnitFields fields(net.graph, net.x);
  for (int64_t p = 0; p < fields.positions(y.node, 1); ++p) {
    EXPECT_EQ(fields.seen(y.node, 1, p).begin, seen_by(regular, p, kWidth).begin);
    EXPECT_EQ(fields.seen(y.node, 1, p).end, seen_by(regular, p, kWidth).end);
  }
}

TEST(UnitFields, WhatDoesNotDependOnThePictureSaysSo) {
  Net net;
  const Value w = net.weight({1, 1, 3, 3});
  const Value y = mul(net.graph, w, w);
  const UnitFields fields(net.graph, net.x);
  EXPECT_FALSE(fields.depends(y.node));
  EXPECT_THROW(fields.seen(y.node, 0, 0), Error);
  EXPECT_THROW(fields.seen(net.x.node, 0, kHeight), Error);
  EXPECT_THROW(fields.seen(net.x.node, 2, 0), Error);
}

}  // namespace
}  // namespace fovea
