// Filters of any layer: found, measured, compared, sorted and drawn.
#include <gtest/gtest.h>

#include "fovea/insight/filter_bank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/image/draw.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/report/filter_plate.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

struct Net {
  Model model;
  Value x;
  explicit Net(int64_t channels = 3) {
    x = input(model.graph, "x", {DType::f32, {1, channels, 8, 8}});
    model.meaning.input = "x";
  }
  Value weight(const std::string& name, Shape shape) {
    Tensor t(DType::f32, shape);
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, static_cast<double>(i + 1));
    model.weights[name] = t;
    return parameter(model.graph, name, {DType::f32, shape});
  }
  // The node's name is what is asked for.
  Value named(Value v, const std::string& name) {
    model.graph.rename(v.node, name);
    return v;
  }
};

TEST(FilterBank, IsFoundThroughWhatOnlyPassesOn) {
  Net net;
  Graph& g = net.model.graph;
  const Value c = net.named(conv(g, mul(g, net.x, scalar(g, 2)), net.weight("w", {4, 3, 3, 3})), "conv1");
  const Value r = net.named(relu(g, c), "relu1");
  const Value p = net.named(max_pool(g, r, {.kernel = {2, 2}, .stride = {2, 2}}), "pool1");
  const Value d = net.named(conv(g, p, net.weight("v", {6, 2, 1, 1}), {}, {.groups = 2}), "conv2");
  const FilterBank bank = filter_bank(net.model, r);
  EXPECT_EQ(bank.name, "conv1");
  EXPECT_EQ(bank.rectifier, r.node);
  EXPECT_TRUE(bank.reads_picture);
  EXPECT_TRUE(bank.colour());
  EXPECT_EQ(bank.weight.shape(), (Shape{4, 3, 3, 3}));
  EXPECT_EQ(first_filter_bank(net.model).node, c.node);
  const FilterBank deeper = filter_bank(net.model, d);
  EXPECT_EQ(deeper.groups, 2);
  EXPECT_FALSE(deeper.reads_picture);
  EXPECT_EQ(deeper.rectifier, -1);
  EXPECT_EQ(layers_with_filters(net.model), (std::vector<std::string>{"conv1", "conv2"}));
  const std::string none = message_of([&] { filter_bank(net.model, p); });
  EXPECT_NE(none.find("\"pool1\" (max_pool) has no filters of its own"), std::string::npos) << none;
  EXPECT_NE(none.find("\"conv1\" before it and \"conv2\" behind it"), std::string::npos) << none;
}

TEST(FilterBank, AResidualIsNotOneLayersFilters) {
  Net net(2);
  Graph& g = net.model.graph;
  const Value a = net.named(conv(g, net.x, net.weight("w", {2, 2, 1, 1})), "a");
  const Value sum = add(g, a, net.x);
  relu(g, sum);
  EXPECT_THROW(filter_bank(net.model, sum), Error);
  EXPECT_EQ(filter_bank(net.model, a).rectifier, -1);
}

TEST(FilterBank, FullyConnectedOnMapsHasTheirShape) {
  Net net(1);
  Graph& g = net.model.graph;
  const Value flat = flatten(g, net.x);
  const Value fc = gemm(g, flat, net.weight("w", {5, 64}), {}, {.trans_b = true});
  const FilterBank bank = filter_bank(net.model, fc);
  EXPECT_EQ(bank.weight.shape(), (Shape{5, 1, 8, 8}));
  EXPECT_TRUE(bank.reads_picture);
  const Value other = matmul(g, flat, net.weight("v", {64, 2}));  // [I,O]: column 1 is 2, 4, 6, …
  const FilterBank turned = filter_bank(net.model, other);
  EXPECT_EQ(turned.weight.shape(), (Shape{2, 1, 8, 8}));
  EXPECT_EQ(turned.weight.at(64), 2);
  EXPECT_EQ(turned.weight.at(65), 4);
}

TEST(FilterBank, TransposedConvolutionsAreTurnedToTheirUnits) {
  Net net(4);
  Graph& g = net.model.graph;
  // 4 inputs in 2 groups, 3 outputs each: weight [4, 3, 1, 2] holds 1 … 24.
  const Value up = conv_input_gradient(g, net.x, net.weight("w", {4, 3, 1, 2}), {.groups = 2, .sizes = {8, 9}});
  const FilterBank bank = filter_bank(net.model, up);
  ASSERT_EQ(bank.weight.shape(), (Shape{6, 2, 1, 2}));
  EXPECT_EQ(bank.kind, "transposed conv");
  // Unit 4 is output 1 of group 1: it reads inputs 2 and 3, weights [2,1] = 15, 16 and [3,1] = 21, 22.
  EXPECT_EQ(bank.weight.at(4 * 4 + 0), 15);
  EXPECT_EQ(bank.weight.at(4 * 4 + 1), 16);
  EXPECT_EQ(bank.weight.at(4 * 4 + 2), 21);
  EXPECT_EQ(bank.weight.at(4 * 4 + 3), 22);
}

FilterBank bank_with(const Shape& shape, const std::vector<float>& values) {
  FilterBank bank;
  bank.name = "conv";
  bank.weight = Tensor::of<float>(shape, values);
  return bank;
}

TEST(FilterBank, Statistics) {
  const auto s = filter_statistics(bank_with({4, 1, 1, 2}, {3, 4, 1e-6f, 0, NAN, 2, -6, 8}));
  EXPECT_DOUBLE_EQ(s[0].norm, 5);
  EXPECT_DOUBLE_EQ(s[0].mean, 3.5);
  EXPECT_FALSE(s[0].negligible);
  EXPECT_TRUE(s[1].negligible);
  EXPECT_EQ(s[2].not_finite, 1);
  EXPECT_DOUBLE_EQ(s[2].norm, 2);
  EXPECT_DOUBLE_EQ(s[3].least, -6);
}

TEST(FilterBank, NearDuplicatesUpToSign) {
  // 1 is 0 made longer, 2 is its negative, 3 stands across, 4 is zero, 5 is near 3.
  const Tensor cosines =
      filter_cosines(bank_with({6, 2, 1, 1}, {1, 2, 10, 20, -0.5f, -1, 2, -1, 0, 0, 2, -1.1f}), reference_backend());
  EXPECT_NEAR(cosines.at(0 * 6 + 1), 1, 1e-6);
  EXPECT_NEAR(cosines.at(0 * 6 + 2), -1, 1e-6);
  EXPECT_NEAR(cosines.at(0 * 6 + 3), 0, 1e-6);
  EXPECT_EQ(cosines.at(4 * 6 + 4), 0);
  EXPECT_NEAR(cosines.at(3 * 6 + 5), (4 + 1.1) / std::sqrt(5 * (4 + 1.21)), 1e-6);
  const auto pairs = near_duplicates(cosines, 0.9999);
  ASSERT_EQ(pairs.size(), 3u);
  EXPECT_EQ(near_duplicates(cosines, 0.99).size(), 4u);
  EXPECT_EQ(near_duplicates(cosines, 0.99).back().b, 5);
  EXPECT_THROW(near_duplicates(cosines, 0), Error);
  EXPECT_THROW(near_duplicates(cosines, 1.5), Error);
}

TEST(FilterBank, TheTourGoesAlongACurve) {
  constexpr int64_t kCount = 24;  // directions along half a circle, shuffled by a step of 7
  std::vector<float> values;
  for (int64_t i = 0; i < kCount; ++i) {
    const double angle = 3.0 * static_cast<double>(i * 7 % kCount) / kCount;
    values.push_back(static_cast<float>(std::cos(angle)));
    values.push_back(static_cast<float>(std::sin(angle)));
  }
  const Tensor cosines = filter_cosines(bank_with({kCount, 2, 1, 1}, values), reference_backend());
  // Begun at the end of the curve and in its midst: 2-opt mends where the greedy tour has to jump back.
  const auto length = [&](const std::vector<int64_t>& tour) {
    double sum = 0;
    for (size_t i = 0; i + 1 < tour.size(); ++i) sum += 1 - cosines.at(tour[i] * kCount + tour[i + 1]);
    return sum;
  };
  const std::vector<int64_t> tour = similarity_order(cosines, 0);
  for (size_t i = 0; i < tour.size(); ++i) EXPECT_EQ(tour[i] * 7 % kCount, static_cast<int64_t>(i));
  std::vector<int64_t> other = similarity_order(cosines, 5);
  EXPECT_EQ(other.front(), 5);
  std::vector<int64_t> numbers(kCount);
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  EXPECT_LT(length(other), 0.5 * length(numbers));
  std::sort(other.begin(), other.end());
  EXPECT_EQ(other, numbers);
  EXPECT_THROW(similarity_order(cosines, kCount), Error);
}

TEST(FilterPlate, PatchesAreWeightsAsWholeSquares) {
  FilterBank bank = bank_with({2, 3, 1, 2}, {-1, 0, 1, 2, 3, 3, 0, 0, 0, 0, 0, 1});
  bank.reads_picture = true;
  FilterPlateOptions o{.units = {1, 0}, .columns = 2, .zoom = 4, .gap = 3};
  const Image plate = filter_plate(bank, o).image;
  EXPECT_EQ(plate.width(), 2 * 14 + 2 * 8 + 3);
  EXPECT_EQ(plate.height(), 2 * 14 + 4);
  // Filter 1 comes first: its first pixel is 0, the second's blue is the greatest.
  EXPECT_EQ(plate.at(14, 14, 2), 0);
  EXPECT_EQ(plate.at(14 + 4, 14, 2), 255);
  EXPECT_EQ(plate.at(14 + 7, 14 + 3, 2), 255);
  EXPECT_EQ(plate.at(14 + 8, 14, 0), 255);  // the gap is white
  // Filter 0: −1 … 3 become 0 … 255.
  EXPECT_EQ(plate.at(14 + 11, 14, 0), 0);
  EXPECT_EQ(plate.at(14 + 11, 14, 1), 128);
  EXPECT_EQ(plate.at(14 + 11, 14, 2), 255);
  o.bgr = true;
  EXPECT_EQ(filter_plate(bank, o).image.at(14 + 11, 14, 0), 255);
  o.bgr = false;
  o.scale = FilterScale::common;  // −1 … 3 for both: 0 of filter 1 is a quarter
  EXPECT_EQ(filter_plate(bank, o).image.at(14, 14, 0), 64);
  o.scale = FilterScale::zero;  // of filter 1: −1 … 1
  EXPECT_EQ(filter_plate(bank, o).image.at(14, 14, 0), 128);
}

TEST(FilterPlate, DeeperLayersHaveARowAFilter) {
  FilterBank bank = bank_with({2, 2, 1, 1}, {1, -1, 0.5f, NAN});
  FilterPlateOptions o{.units = {0, 1},
                       .channels = {1, 0},
                       .scale = FilterScale::zero,
                       .map = ColourMap::diverging,
                       .rows = true,
                       .zoom = 10,
                       .gap = 0};
  const Image plate = filter_plate(bank, o).image;
  const int left = 14 + text_width("unit") + 8, top = 14 + 14;
  EXPECT_EQ((Rgb{static_cast<uint8_t>(plate.at(left, top, 0)), static_cast<uint8_t>(plate.at(left, top, 1)),
                 static_cast<uint8_t>(plate.at(left, top, 2))}),
            colour_at(ColourMap::diverging, 0));  // channel 1 of filter 0 is −1
  EXPECT_EQ(plate.at(left + 10, top, 0), colour_at(ColourMap::diverging, 1).r);
  EXPECT_EQ(plate.at(left, top + 10, 0), 255);  // NaN in magenta
  EXPECT_EQ(plate.at(left, top + 10, 1), 0);
  o.channels = {2};
  EXPECT_THROW(filter_plate(bank, o), Error);
  o.rows = false;
  EXPECT_THROW(filter_plate(bank, o), Error);
}

}  // namespace
}  // namespace fovea
