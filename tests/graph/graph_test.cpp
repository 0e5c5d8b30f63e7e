#include "fovea/graph/graph.h"

#include <gtest/gtest.h>

#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/input.h"
#include "fovea/ops/list.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/shape.h"

namespace fovea {
namespace {

TEST(Attributes, OfEveryCaseSurviveText) {
  for (const Op* op : all_ops())
    for (const Case& test : op->cases()) {
      bool has_tensor = false;
      for (const Field& field : op->attributes().fields) {
        const auto object = op->attributes().make();
        has_tensor = has_tensor || std::holds_alternative<Tensor*>(field.get(object.get()));
      }
      if (has_tensor) continue;
      const std::string text = test.attributes.text();
      const Attributes back = Attributes::parse(op->attributes(), text);
      EXPECT_EQ(back, test.attributes) << op->name << "/" << test.name << ": " << text;
      EXPECT_EQ(back.hash(), test.attributes.hash());
    }
}

TEST(Attributes, RefuseUnknownFields) {
  EXPECT_THROW(Attributes::parse(ConvAttributes::info(), "strides=2"), Error);
  EXPECT_THROW(Attributes::parse(ConvAttributes::info(), "stride=two"), Error);
  EXPECT_THROW(Attributes::parse(ConvAttributes::info(), "stride"), Error);
}

TEST(Ops, HaveEverythingTheRecordAsksFor) {
  std::set<std::string_view> names;
  for (const Op* op : all_ops()) {
    EXPECT_TRUE(names.insert(op->name).second) << op->name << " is listed twice";
    EXPECT_EQ(find_op(op->name), op);
    EXPECT_FALSE(op->doc.empty()) << op->name;
    EXPECT_TRUE(op->infer) << op->name;
    EXPECT_TRUE(op->gradient || !op->no_gradient.empty()) << op->name << " must say why it has no gradient";
    EXPECT_TRUE(op->cases) << op->name;
  }
}

TEST(Graph, NamesAreUniqueAndFound) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1}});
  const Value a = g.add(ops::relu, {x}, {}, "y"), b = g.add(ops::relu, {x}, {}, "y");
  EXPECT_EQ(g.node(a).name, "y");
  EXPECT_EQ(g.node(b).name, "y_2");
  EXPECT_EQ(g.find("y_2"), b.node);
  g.rename(b.node, "z");
  EXPECT_EQ(g.find("y_2"), -1);
  EXPECT_EQ(g.find("z"), b.node);
  verify(g);
}

TEST(Graph, ErrorsSayWhere) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1, 64, 8, 8}});
  const Value w = input(g, "w", {DType::f32, {128, 32, 3, 3}});
  try {
    g.add(ops::conv, {x, w}, ConvAttributes{}, "layer2.0.conv1", "resnet18.onnx node 17");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::shape);
    for (const auto* part :
         {"layer2.0.conv1", "resnet18.onnx node 17", "64 channels", "expects 32", "is groups missing?"})
      EXPECT_NE(error.message().find(part), std::string::npos) << part << " is not in: " << error.message();
  }
  EXPECT_EQ(g.size(), 2) << "a node that does not infer is not added";
}

// What exporters write for x.view(x.shape[0], -1): Shape → Gather → Concat → Reshape.
TEST(Graph, ShapeArithmeticIsKnownWhileBuilding) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {2, 3, 4, 5}});
  const Value batch = gather(g, shape(g, x), ints(g, {0}), 0);
  const std::vector<Value> parts{batch, ints(g, {-1})};
  const Value target = concat(g, parts, 0);
  ASSERT_NE(g.known(target), nullptr);
  EXPECT_EQ(g.known(target)->to_ints(), (std::vector<int64_t>{2, -1}));
  EXPECT_EQ(g.shape(reshape(g, x, target)), (Shape{2, 60}));
  EXPECT_EQ(g.known(relu(g, x)), nullptr);
}

TEST(Graph, RunTimeShapesAreRefusedWithAReason) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {6}});
  const Value s = input(g, "s", {DType::i64, {2}});
  try {
    reshape(g, x, s);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(error.message().find("run time"), std::string::npos) << error.message();
  }
  EXPECT_EQ(g.shape(reshape(g, x, bound_input(g, "t", Tensor::ints({3, 2})))), (Shape{3, 2}));
}

TEST(Graph, PrintsAndDraws) {
  Graph g;
  const Value x = input(g, "x", {DType::f32, {1, 3, 8, 8}});
  const Value w = parameter(g, "w", {DType::f32, {4, 3, 3, 3}});
  g.outputs = {{"y", relu(g, conv(g, x, w, {}, {.stride = 2}))}};
  EXPECT_NE(g.text().find("conv(%0, %1) stride=2 : f32[1x4x3x3]"), std::string::npos) << g.text();
  EXPECT_NE(g.dot().find("n0 -> n2"), std::string::npos);
}

}  // namespace
}  // namespace fovea
