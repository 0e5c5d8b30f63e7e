// Effective fields whose energy is known by hand.
#include <gtest/gtest.h>

#include "fovea/insight/effective_field.h"

#include <cmath>
#include <numeric>

#include "fovea/model/preprocess.h"
#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "fovea/report/field_figure.h"

namespace fovea {
namespace {

constexpr int64_t kSide = 17;

struct Net {
  Model model;
  Value x;
  explicit Net(int64_t channels = 1) {
    x = input(model.graph, "x", {DType::f32, {1, channels, kSide, kSide}});
    model.meaning.input = "x";
  }
  Value conv_of(Value v, const Shape& weight, double value, ConvAttributes attributes = {}, double bias = 0) {
    Graph& g = model.graph;
    const std::string name = "w" + std::to_string(g.size());
    model.weights[name] = Tensor::full(DType::f32, weight, value);
    model.weights[name + "b"] = Tensor::full(DType::f32, {weight[0]}, bias);
    const Value w = parameter(g, name, {DType::f32, weight}), b = parameter(g, name + "b", {DType::f32, {weight[0]}});
    return conv(g, v, w, b, attributes);
  }
  EffectiveField field(Value v, const EffectiveFieldOptions& options = {}) const {
    return effective_field({}, model, v, reference_backend(), {}, options);
  }
};

TEST(EffectiveField, OneBoxFilterSpreadsItsEnergyEvenly) {
  Net net(3);
  const EffectiveField f = net.field(net.conv_of(net.x, {2, 3, 5, 5}, 0.7), {.runs = 4});
  EXPECT_EQ(f.y, 6);  // maps of 13 x 13
  EXPECT_EQ(f.rows.begin, 6);
  EXPECT_EQ(f.rows.end, 11);
  EXPECT_EQ(f.touched_rows.begin, 6);
  EXPECT_EQ(f.touched_columns.end, 11);
  EXPECT_EQ(f.silent, 0);
  for (int64_t y = 6; y < 11; ++y) EXPECT_NEAR(f.energy[static_cast<size_t>(y * kSide + 8)], 1 / 25.0, 1e-7);
  EXPECT_EQ(f.energy[5 * kSide + 8], 0);
  EXPECT_NEAR(f.central_half, 0.25, 1e-6);  // (2.5 / 5)²
  EXPECT_NEAR(f.deviation_x, std::sqrt((25 - 1) / 12.0), 1e-5);
  EXPECT_NEAR(f.luo_size, 5, 1e-9);
  EXPECT_NEAR(f.centre_y, 8.5, 1e-5);
  EXPECT_NEAR(f.side_most, 5, 1e-4);
  EXPECT_NEAR(f.side_half, 5, 1e-4);  // 9 of 25 pixels are less than half
}

TEST(EffectiveField, TwoBoxFiltersConcentrateIt) {
  Net net;
  const Value y = net.conv_of(net.conv_of(net.x, {1, 1, 3, 3}, 1), {1, 1, 3, 3}, 1);
  const EffectiveField f = net.field(y, {.runs = 1});
  // The gradient is 1 2 3 2 1 on each axis; its square over 19² is the energy.
  const double line[] = {1, 4, 9, 4, 1};
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 5; ++j)
      EXPECT_NEAR(f.energy[static_cast<size_t>((f.rows.begin + i) * kSide + f.columns.begin + j)],
                  line[i] * line[j] / 361, 1e-6);
  const double middle = (0.75 * 4 + 9 + 0.75 * 4) / 19;  // pixels cut through count in part
  EXPECT_NEAR(f.central_half, middle * middle, 1e-6);
  EXPECT_NEAR(f.side_half, 3, 1e-4);  // 17² / 361 = 80 % within 3 x 3, 22 % at the middle
  EXPECT_NEAR(f.side_most, 5, 1e-4);
  // |g| of at least 4.55 % of 9: all 25 pixels, the corners with 11 %.
  EXPECT_NEAR(f.luo_size, 5, 1e-9);
}

TEST(EffectiveField, EveryRunCountsAlikeWhateverItsScale) {
  Net net;  // unit 0 looks at one pixel with a weight of 1000, unit 1 at nine with 1
  const Value y = net.conv_of(net.x, {2, 1, 3, 3}, 1);
  Tensor& w = net.model.weights.at(net.model.graph.node(net.model.graph.node(y).inputs[1]).name);
  for (int64_t i = 0; i < 9; ++i) w.set(i, i == 4 ? 1000 : 0);
  const EffectiveField f = net.field(y, {.runs = 2, .units = {0, 1}});
  EXPECT_NEAR(f.energy[static_cast<size_t>((f.rows.begin + 1) * kSide + f.columns.begin + 1)], 0.5 * (1 + 1 / 9.0),
              1e-6);
  EXPECT_NEAR(f.energy[static_cast<size_t>(f.rows.begin * kSide + f.columns.begin)], 0.5 / 9, 1e-6);
  EXPECT_NEAR(std::accumulate(f.energy.begin(), f.energy.end(), 0.0), 1, 1e-6);
}

TEST(EffectiveField, UnitsThatAreOffAreCounted) {
  Net net;
  const Value off = relu(net.model.graph, net.conv_of(net.x, {2, 1, 3, 3}, 0.01, {}, -1000));
  const EffectiveField f = net.field(off, {.runs = 5, .units = {1, 0}});
  EXPECT_EQ(f.runs, 0);
  EXPECT_EQ(f.silent, 5);
  EXPECT_EQ(net.field(off, {.runs = 5}).silent, 40) << "drawn units are drawn again";
  EXPECT_EQ(f.touched_rows.begin, f.touched_rows.end);
  EXPECT_EQ(std::accumulate(f.energy.begin(), f.energy.end(), 0.0), 0);
  EXPECT_EQ(f.central_half, 0);
}

TEST(EffectiveField, DrawsAnotherUnitForOneThatIsOff) {
  Net net;  // unit 0 is always on, the seven others never
  const Value c = net.conv_of(net.x, {8, 1, 3, 3}, 0.01, {}, -1000);
  net.model.weights.at(net.model.graph.node(net.model.graph.node(c).inputs[2]).name).set(0, 1000);
  const EffectiveField f = net.field(relu(net.model.graph, c), {.runs = 6});
  EXPECT_GT(f.runs, 1);
  EXPECT_GT(f.silent, 6);
  EXPECT_LE(f.runs + f.silent, 48);
  EXPECT_NEAR(f.energy[static_cast<size_t>(f.rows.begin * kSide + f.columns.begin)], 1 / 9.0, 1e-6);
}

TEST(EffectiveField, TheGradientIsThatOfThePicture) {
  Net net;  // max pooling hands its gradient to the greatest pixel alone
  const Value y = max_pool(net.model.graph, net.x, {.kernel = {3, 3}, .stride = {3, 3}});
  Tensor picture(DType::f32, {1, 1, kSide, kSide});
  picture.set(7 * kSide + 8, 5);  // in the window of (2, 2): rows and columns 6 to 8
  const EffectiveField f = net.field(y, {.runs = 3, .pictures = {picture}});
  EXPECT_EQ(f.rows.begin, 6);
  EXPECT_EQ(f.rows.end, 9);
  EXPECT_EQ(f.energy[7 * kSide + 8], 1);
  EXPECT_EQ(f.touched_rows.end - f.touched_rows.begin, 1);
}

TEST(EffectiveField, TheSeedDecides) {
  Net net;
  const Value y = relu(net.model.graph, net.conv_of(net.x, {8, 1, 3, 3}, 0.2));
  Tensor& w = net.model.weights.at(
      net.model.graph.node(net.model.graph.node(net.model.graph.node(y).inputs[0]).inputs[1]).name);
  for (int64_t i = 0; i < w.count(); ++i) w.set(i, std::sin(static_cast<double>(i * i)));
  Context one, two;
  two.seed = 1;
  const auto of = [&](const Context& c) {
    return effective_field(c, net.model, y, reference_backend(), {}, {.runs = 6});
  };
  EXPECT_EQ(of(one).energy, of(one).energy);
  EXPECT_NE(of(one).energy, of(two).energy);
}

TEST(EffectiveField, WrongQuestionsAreRefused) {
  Net net;
  const Value y = net.conv_of(net.x, {2, 1, 3, 3}, 1);
  const auto message = [&](Value v, const EffectiveFieldOptions& o) {
    try {
      net.field(v, o);
    } catch (const Error& e) { return e.message(); }
    return std::string("nothing");
  };
  EXPECT_NE(message(y, {.units = {2}}).find("its 2 units are 0 to 1"), std::string::npos);
  EXPECT_NE(message(y, {.y = 15, .x = 0}).find("its maps are 15 x 15"), std::string::npos);
  EXPECT_NE(message(y, {.runs = 0}).find("expected at least 1"), std::string::npos);
  EXPECT_NE(message(net.model.graph.node(y).inputs[2], {}).find("expected a layer with units"), std::string::npos);
  net.model.weights.at(net.model.graph.node(net.model.graph.node(y).inputs[1]).name).set(0, NAN);
  EXPECT_NE(message(y, {.units = {0}}).find("not finite"), std::string::npos);
}

TEST(EffectiveField, TheFigureDrawsTheBoxWhereItIs) {
  Net net;
  const EffectiveField f = net.field(net.conv_of(net.x, {1, 1, 5, 5}, 1), {.runs = 1});
  const Image figure = effective_field_figure(f, Image());
  // 336 / 17 = 19 pixels a pixel; the outline of the box is 2 pixels of its own colour inside it.
  const int x = 16 + 6 * 19, y = 16 + 15 + 4 + 6 * 19;
  EXPECT_EQ(figure.at(x, y, 0), 0x4f);
  EXPECT_EQ(figure.at(x, y, 2), 0xff);
  EXPECT_NE(figure.at(x - 3, y, 0), 0x4f);
  EXPECT_THROW(effective_field_figure(f, Image(5, 5, 3)), Error);
}

}  // namespace
}  // namespace fovea
