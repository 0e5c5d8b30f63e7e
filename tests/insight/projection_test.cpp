// Gradient rules at rectifiers, and units brought down to pixels.
#include "fovea/insight/projection.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/insight/rules.h"
#include "fovea/model/conventions.h"
#include "fovea/model/unit_fields.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/tanh.h"

namespace fovea {
namespace {

Tensor random_tensor(Shape shape, std::string_view name) {
  Tensor t(DType::f32, std::move(shape));
  const Rng rng = Rng(9).fork(name);
  auto data = t.data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(rng.normal(i));
  return t;
}

// What arrives at x [4] when `seed` is sent down through one operator.
std::vector<double> sent_down(const std::function<Value(Graph&, Value)>& op, const std::vector<float>& x,
                              const std::vector<float>& seed, std::string_view rule) {
  Graph g;
  const Value in = input(g, "x", {DType::f32, {4}}), s = input(g, "s", {DType::f32, {4}});
  const Value y = op(g, in);
  const std::vector<Value> d = gradient(g, y, std::vector<Value>{in}, gradient_rules(rule), s);
  Program program = compile(g, d, {}, reference_backend());
  return program.run({{"x", Tensor::of<float>({4}, x)}, {"s", Tensor::of<float>({4}, seed)}})[0].to_doubles();
}

using Numbers = std::vector<double>;
const std::vector<float> kSeen = {2, -3, 2, -3}, kSignal = {5, 5, -5, -5};

TEST(GradientRules, AtARectifier) {
  const auto op = [](Graph& g, Value x) { return relu(g, x); };
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "gradient"), (Numbers{5, 0, -5, 0}));
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "deconvnet"), (Numbers{5, 5, 0, 0}));
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "guided"), (Numbers{5, 0, 0, 0}));
}

TEST(GradientRules, AtReLU6) {
  const auto op = [](Graph& g, Value x) { return clip(g, x, ClipAttributes{0, 6}); };
  const std::vector<float> seen = {2, -3, 7, 2}, signal = {5, 5, 5, -5};
  EXPECT_EQ(sent_down(op, seen, signal, "gradient"), (Numbers{5, 0, 0, -5}));
  EXPECT_EQ(sent_down(op, seen, signal, "deconvnet"), (Numbers{5, 5, 5, 0}));
  EXPECT_EQ(sent_down(op, seen, signal, "guided"), (Numbers{5, 0, 0, 0}));
}

TEST(GradientRules, AtALeakyRectifier) {
  const auto op = [](Graph& g, Value x) { return leaky_relu(g, x, {0.5}); };
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "gradient"), (Numbers{5, 2.5, -5, -2.5}));
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "deconvnet"), (Numbers{5, 5, 0, 0}));
  EXPECT_EQ(sent_down(op, kSeen, kSignal, "guided"), (Numbers{5, 2.5, 0, 0}));
}

TEST(GradientRules, AClipThatKeepsNegativeValuesIsNoRectifier) {
  const auto op = [](Graph& g, Value x) { return clip(g, x, ClipAttributes{-4, 4}); };
  for (const std::string& rule : gradient_rule_names())
    EXPECT_EQ(sent_down(op, kSeen, kSignal, rule), (Numbers{5, 5, -5, -5})) << rule;
}

TEST(GradientRules, UnknownOnesAreNamed) {
  try {
    gradient_rules("deconvent");
    FAIL() << "expected an error";
  } catch (const Error& e) { EXPECT_NE(e.message().find("deconvnet"), std::string::npos) << e.message(); }
}

// conv - max pool - batch norm - tanh - lrn - conv ("top"): nothing rectifies.
Model without_rectifiers() {
  Model model;
  Graph& g = model.graph;
  const auto weight = [&](const std::string& name, Shape shape) {
    model.weights[name] = random_tensor(shape, name);
    if (name == "var")
      for (float& v : model.weights[name].data<float>()) v = 0.5f + std::abs(v);
    return parameter(g, name, {DType::f32, shape});
  };
  const Value x = input(g, "x", {DType::f32, {1, 3, 14, 14}});
  Value y = max_pool(g, conv(g, x, weight("w1", {4, 3, 3, 3})), {.kernel = {2, 2}, .stride = 2});
  y = batch_norm(g, y, weight("s", {4}), weight("b", {4}), weight("m", {4}), weight("var", {4}));
  y = conv(g, lrn(g, tanh(g, y), {.size = 3, .alpha = 0.5}), weight("w2", {5, 4, 3, 3}));
  g.rename(y.node, "top");
  g.outputs = {{"scores", reduce(g, y, {.axes = {2, 3}})}};
  model.meaning.input = "x", model.meaning.scores = "scores";
  return model;
}

TEST(Projection, WithoutRectifiersTheRulesCoincide) {
  const Model model = without_rectifiers();
  const Tensor x = random_tensor({1, 3, 14, 14}, "x");
  std::vector<Tensor> found;
  for (const std::string& rule : gradient_rule_names()) {
    Projector projector(model, "top", rule, {}, reference_backend());
    found.push_back(projector.project({}, x, std::vector<UnitAt>{{2, 1, 2, 3.5f, {}, {}}})[0]);
  }
  double size = 0;
  for (const double v : found[0].to_doubles()) size += v * v;
  EXPECT_GT(size, 0);
  EXPECT_TRUE(found[0].same_bits(found[1]));
  EXPECT_TRUE(found[0].same_bits(found[2]));
}

// The place of each unit's greatest value, as insight/top_patches.h finds it.
std::vector<UnitAt> strongest(const Model& model, const std::string& name, const Tensor& picture) {
  const Value layer{model.graph.find(name), 0};
  const UnitFields fields(model.graph, picture_input(model));
  Program program = compile(model.graph, std::vector<Value>{layer}, model.weights, reference_backend());
  const Tensor value = program.run({{"x", picture}})[0];
  const int64_t plane = value.size(2) * value.size(3);
  std::vector<UnitAt> units;
  for (int64_t u = 0; u < value.size(1); ++u) {
    int64_t best = 0;
    for (int64_t p = 1; p < plane; ++p)
      if (value.at(u * plane + p) > value.at(u * plane + best)) best = p;
    const int64_t y = best / value.size(3), x = best % value.size(3);
    units.push_back({u, y, x, static_cast<float>(value.at(u * plane + best)), fields.seen(layer.node, 0, y),
                     fields.seen(layer.node, 1, x)});
  }
  return units;
}

// Through one convolution the projection of a unit is its filter times its activation, where the unit looks.
TEST(Projection, OfAFirstLayerUnitIsItsFilter) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 9, 9}});
  model.weights["w"] = random_tensor({2, 1, 3, 3}, "w");
  const Value y = relu(g, conv(g, x, parameter(g, "w", {DType::f32, {2, 1, 3, 3}}), {}, {.stride = 2}));
  g.rename(y.node, "first");
  g.outputs = {{"maps", y}};
  model.meaning.input = "x";  // and no class scores
  const Tensor picture = random_tensor({1, 1, 9, 9}, "x");
  Projector projector(model, "first", "deconvnet", {}, reference_backend());
  EXPECT_EQ(projector.units(), 2);
  const UnitAt unit = strongest(model, "first", picture).at(1);
  EXPECT_EQ(unit.rows.begin, 2 * unit.y);
  EXPECT_EQ(unit.rows.end, 2 * unit.y + 3);
  ASSERT_GT(unit.value, 0);
  const Tensor down = projector.project({}, picture, std::vector<UnitAt>{unit})[0];
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t k = 0; k < 9; ++k) {
      const int64_t r = i - unit.rows.begin, c = k - unit.columns.begin;
      const bool inside = r >= 0 && r < 3 && c >= 0 && c < 3;
      const double expected = inside ? unit.value * model.weights["w"].at(9 + r * 3 + c) : 0;
      EXPECT_NEAR(down.at(i * 9 + k), expected, 1e-5) << i << " " << k;
    }
}

// What reaches the picture lies within what the unit is said to see.
TEST(Projection, StaysWithinTheReceptiveField) {
  const Model model = without_rectifiers();
  const Tensor x = random_tensor({1, 3, 14, 14}, "x");
  Projector projector(model, "top", "gradient", {}, reference_backend());
  const std::vector<UnitAt> units = strongest(model, "top", x);
  ASSERT_EQ(units.size(), 5u);
  const std::vector<Tensor> down = projector.project({}, x, units);
  for (size_t u = 0; u < units.size(); ++u) {
    double inside = 0, outside = 0;
    for (int64_t i = 0; i < down[u].count(); ++i) {
      const int64_t row = i / 14 % 14, column = i % 14;
      const bool seen = row >= units[u].rows.begin && row < units[u].rows.end && column >= units[u].columns.begin &&
                        column < units[u].columns.end;
      (seen ? inside : outside) += std::abs(down[u].at(i));
    }
    EXPECT_EQ(outside, 0) << u;
    EXPECT_GT(inside, 0) << u;
  }
}

TEST(Projection, PicturesAreStretchedAroundGrey) {
  Tensor t(DType::f32, {1, 3, 2, 2});
  t.set(0, 2), t.set(4, -2), t.set(8, 1);  // red, green, blue of the first pixel
  Preprocess how;
  const Image rgb = projection_image(t, how, {0, 2}, {0, 2}, 1);
  EXPECT_EQ(rgb.at(0, 0, 0), 255);
  EXPECT_EQ(rgb.at(0, 0, 1), 0);
  EXPECT_EQ(rgb.at(0, 0, 2), 191);
  EXPECT_NEAR(rgb.at(1, 1, 0), 128, 1);
  how.colour = "bgr";
  EXPECT_EQ(projection_image(t, how, {0, 2}, {0, 2}, 1).at(0, 0, 2), 255);
  const Image cut = projection_image(t, how, {1, 2}, {0, 2}, 1);
  EXPECT_EQ(cut.height(), 1);
  EXPECT_NEAR(cut.at(0, 0, 0), 128, 1);
}

TEST(Projection, LayersOfAPlate) {
  Model model;
  Graph& g = model.graph;
  Value y = input(g, "x", {DType::f32, {1, 3, 32, 32}});
  for (int i = 0; i < 7; ++i) {
    const std::string name = "w" + std::to_string(i);
    const Shape shape{4, g.shape(y)[1], 3, 3};
    model.weights[name] = random_tensor(shape, name);
    y = relu(g, conv(g, y, parameter(g, name, {DType::f32, shape}), {}, {.pad = 1}));
    g.rename(y.node, "relu" + std::to_string(i));
  }
  g.outputs = {{"maps", y}};
  model.meaning.input = "x";
  EXPECT_EQ(plate_layers(model, 4), (std::vector<std::string>{"relu0", "relu2", "relu4", "relu6"}));
  EXPECT_EQ(plate_layers(model, 100).size(), 7u);
  EXPECT_THROW(plate_layers(model, 0), Error);
}

}  // namespace
}  // namespace fovea
