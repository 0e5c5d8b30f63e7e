// Attribution on networks small enough to know what it must find.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/base/rng.h"
#include "fovea/insight/attribution_check.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/saliency.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/softmax.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

Tensor random_tensor(Shape shape, std::string_view name, double scale = 1) {
  Tensor t(DType::f32, std::move(shape));
  const Rng rng = Rng(3).fork(name);
  auto data = t.data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(scale * rng.normal(i));
  return t;
}

struct Kind {
  bool biases = true, softmax = false, averaged = true;
  int64_t channels = 3, height = 10, width = 8;
};

// conv - relu - max pool - conv ("last") - relu ("maps") - average or flatten - linear, 4 classes.
Model small(const Kind& kind = {}) {
  Model model;
  Graph& g = model.graph;
  const auto weight = [&](const std::string& name, Shape shape) {
    model.weights[name] = random_tensor(shape, name, 0.6);
    return parameter(g, name, {DType::f32, shape});
  };
  const auto bias = [&](const std::string& name, int64_t n) { return kind.biases ? weight(name, {n}) : Value{}; };
  const Value x = input(g, "x", {DType::f32, {1, kind.channels, kind.height, kind.width}});
  Value y = relu(g, conv(g, x, weight("w1", {5, kind.channels, 3, 3}), bias("b1", 5), {.pad = 1}));
  y = conv(g, max_pool(g, y, {.kernel = {2, 2}, .stride = 2}), weight("w2", {6, 5, 3, 3}), bias("b2", 6), {.pad = 1});
  g.rename(y.node, "last");
  y = relu(g, y);
  g.rename(y.node, "maps");
  y = flatten(g, kind.averaged ? global_average_pool(g, y) : y);
  y = gemm(g, y, weight("w3", {4, g.shape(y)[1]}), bias("b3", 4), {.trans_b = true});
  if (kind.softmax) y = softmax(g, y);
  g.outputs = {{"scores", y}};
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  model.meaning.probabilities = kind.softmax;
  return model;
}

Tensor small_input(const Kind& kind = {}) { return random_tensor({1, kind.channels, kind.height, kind.width}, "x"); }

double sum(const std::vector<float>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

TEST(Attribution, EveryMethodOnEveryKindOfNetwork) {
  for (const Kind& kind : {Kind{}, Kind{.softmax = true}, Kind{.channels = 1, .height = 32, .width = 32}}) {
    const Model model = small(kind);
    AttributionNetwork network(model, reference_backend(), {}, {.samples = 3, .steps = 4});
    for (const AttributionMethod& method : attribution_methods()) {
      const AttributionMap map = attribute(network, method.name, small_input(kind), 1, {});
      EXPECT_EQ(map.method, method.name);
      ASSERT_EQ(static_cast<int64_t>(map.values.size()), map.height * map.width) << method.name;
      EXPECT_EQ(map.layer, method.weighs_layer ? "maps" : "") << method.name;
      for (const float v : map.values) ASSERT_TRUE(std::isfinite(v)) << method.name;
      if (!map.is_signed)
        for (const float v : map.values) ASSERT_GE(v, 0) << method.name;
      const auto [low, high] = std::ranges::minmax_element(map.values);
      EXPECT_EQ(*low == *high, !map.empty.empty()) << method.name;
    }
  }
}

TEST(Attribution, ASoftmaxAtTheEndChangesNothing) {
  const Model plain = small(), ends = small({.softmax = true});
  AttributionNetwork a(plain, reference_backend()), b(ends, reference_backend());
  EXPECT_EQ(gradient_map(a, small_input(), 2, {}).values, gradient_map(b, small_input(), 2, {}).values);
}

TEST(Attribution, GaussLegendreIsExactForPolynomials) {
  for (const int64_t n : {1, 2, 5, 32}) {
    double area = 0, power = 0;
    for (const auto& [x, w] : gauss_legendre(n)) area += w, power += w * std::pow(x, 2.0 * static_cast<double>(n) - 1);
    EXPECT_NEAR(area, 1, 1e-13) << n;
    EXPECT_NEAR(power, 1 / (2.0 * static_cast<double>(n)), 1e-13) << n;
  }
  EXPECT_THROW(gauss_legendre(0), Error);
}

TEST(Attribution, IntegratedGradientsAddUpToTheScore) {
  const Model model = small();
  for (const char* rule : {"gauss", "trapezoid"}) {
    AttributionNetwork network(model, reference_backend(), {}, {.steps = 400, .quadrature = rule});
    const AttributionMap map = attribute(network, "IG", small_input(), 0, {});
    const double difference =
        network.scores_of(small_input(), {})[0] - network.scores_of(Tensor(DType::f32, {1, 3, 10, 8}), {})[0];
    EXPECT_NEAR(sum(map.values), difference, 0.01 * std::abs(difference)) << rule;
    ASSERT_GE(map.facts.size(), 3u);
    EXPECT_NEAR(map.facts[2].second, sum(map.values) - difference, 1e-4) << rule;
  }
}

// Without biases and epsilon nothing is lost, and LRP is gradient times input (Ancona et al., ICLR 2018, prop. 1).
TEST(Attribution, RelevanceIsConservedWithoutBiases) {
  const Model model = small({.biases = false});
  AttributionNetwork network(model, reference_backend(), {}, {.epsilon = 0});
  const AttributionMap relevance = attribute(network, "lrp", small_input(), 1, {}),
                       product = attribute(network, "gradient-input", small_input(), 1, {});
  const double score = network.scores_of(small_input(), {})[1];
  ASSERT_NE(score, 0);
  EXPECT_NEAR(sum(relevance.values) / score, 1, 1e-4);
  for (size_t p = 0; p < relevance.values.size(); ++p)
    EXPECT_NEAR(relevance.values[p], product.values[p], 1e-4 * std::abs(score)) << p;
}

TEST(Attribution, LayersAreChosenAndNamed) {
  const Model model = small();
  const DefaultLayer chosen = default_layer(model);
  EXPECT_EQ(model.graph.node(chosen.convolution).name, "last");
  EXPECT_EQ(model.graph.node(chosen.node).name, "maps");
  AttributionNetwork before(model, reference_backend(), {}, {.layer = "last"});
  EXPECT_EQ(attribute(before, "GradCAM", small_input(), 1, {}).layer, "last");
  EXPECT_NE(message_of([&] { AttributionNetwork(model, reference_backend(), {}, {.layer = "lst"}); }).find("last"),
            std::string::npos);
}

TEST(Attribution, CamNamesWhatIsMissing) {
  const Model model = small({.averaged = false});
  AttributionNetwork network(model, reference_backend());
  const std::string message = message_of([&] { attribute(network, "cam", small_input(), 1, {}); });
  EXPECT_NE(message.find("global average"), std::string::npos) << message;
  EXPECT_NO_THROW(attribute(network, "grad-cam", small_input(), 1, {}));
}

// A network whose classifier is a convolution, one map a class, averaged: the class's map is the CAM.
TEST(Attribution, CamOfAConvolutionalClassifier) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 4, 4}});
  model.weights["w"] = Tensor::of<float>({2, 1, 1, 1}, {1, -1});
  const Value y = conv(g, x, parameter(g, "w", {DType::f32, {2, 1, 1, 1}}));
  g.outputs = {{"scores", flatten(g, global_average_pool(g, y))}};
  model.meaning.input = "x", model.meaning.scores = "scores";
  Tensor picture(DType::f32, {1, 1, 4, 4});
  picture.set(5, 3), picture.set(9, -2);
  AttributionNetwork network(model, reference_backend());
  const AttributionMap first = attribute(network, "cam", picture, 0, {}),
                       second = attribute(network, "cam", picture, 1, {});
  EXPECT_EQ(first.values[5], 3);
  EXPECT_EQ(first.values[9], 0);
  EXPECT_EQ(second.values[9], 2);
  EXPECT_EQ(second.values[5], 0);
}

TEST(Attribution, EmptyMapsSayWhy) {
  Model dead = small();
  for (float& b : dead.weights["b2"].data<float>()) b = -1000;
  AttributionNetwork network(dead, reference_backend());
  for (const char* method : {"gradient", "grad-cam", "score-cam", "guided", "lrp"}) {
    const AttributionMap map = attribute(network, method, small_input(), 0, {});
    EXPECT_FALSE(map.empty.empty()) << method;
    for (const float v : map.values) ASSERT_EQ(v, 0) << method;
  }
  Model broken = small();
  broken.weights["w1"].data<float>()[0] = INFINITY;
  AttributionNetwork overflowing(broken, reference_backend());
  const AttributionMap map = attribute(overflowing, "gradient", small_input(), 0, {});
  for (const float v : map.values) ASSERT_TRUE(std::isfinite(v));
  EXPECT_NE(map.empty.find("not a number"), std::string::npos) << map.empty;
}

TEST(Attribution, WrongQuestions) {
  const Model model = small();
  AttributionNetwork network(model, reference_backend(), {}, {.window = 99});
  EXPECT_NE(message_of([&] { attribute(network, "gradient", small_input(), 4, {}); }).find("0 to 3"),
            std::string::npos);
  EXPECT_NE(message_of([&] { attribute(network, "gradcan", small_input(), 0, {}); }).find("grad-cam"),
            std::string::npos);
  EXPECT_NE(message_of([&] { attribute(network, "occlusion", small_input(), 0, {}); }).find("99"), std::string::npos);
  EXPECT_THROW(attribute(network, "gradient", Tensor(DType::f32, {1, 3, 4, 4}), 0, {}), Error);
}

TEST(ClassNames, NumbersNamesAndSynonyms) {
  Model model = small();
  model.meaning.classes = {"tabby, tabby cat", "tiger cat", "crane", "crane"};
  EXPECT_EQ(find_class(model, "2"), 2);
  EXPECT_EQ(find_class(model, "Tabby Cat"), 0);
  EXPECT_EQ(find_class(model, "tabby"), 0);
  EXPECT_EQ(find_class(model, "tiger"), 1);
  const std::string several = message_of([&] { find_class(model, "cat"); });
  EXPECT_NE(several.find("0 (tabby, tabby cat)"), std::string::npos) << several;
  EXPECT_NE(several.find("1 (tiger cat)"), std::string::npos) << several;
  EXPECT_NE(message_of([&] { find_class(model, "crane"); }).find("3 (crane)"), std::string::npos);
  EXPECT_NE(message_of([&] { find_class(model, "tabbi"); }).find("did you mean \"tabby\""), std::string::npos);
  EXPECT_NE(message_of([&] { find_class(model, "zeppelin"); }).find("the classes are tabby"), std::string::npos);
  EXPECT_NE(message_of([&] { find_class(model, "4"); }).find("0 to 3"), std::string::npos);
  EXPECT_THROW(find_class(model, "99999999999999999999999"), Error);
  EXPECT_THROW(find_class(model, ""), Error);
  model.meaning.classes.clear();
  EXPECT_NE(message_of([&] { find_class(model, "cat"); }).find("--labels"), std::string::npos);
}

TEST(AttributionCheck, RankCorrelation) {
  const std::vector<float> a = {1, 2, 3, 4}, up = {10, 20, 30, 99}, down = {4, 3, 2, 1}, ties = {1, 1, 2, 2},
                           same = {5, 5, 5, 5};
  EXPECT_DOUBLE_EQ(rank_correlation(a, up), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(a, down), -1);
  EXPECT_NEAR(rank_correlation(a, ties), 0.894427, 1e-6);  // scipy.stats.spearmanr
  EXPECT_EQ(rank_correlation(a, same), 0);
}

// A map that only looks at the picture is found out; one that asks the network is not.
TEST(AttributionCheck, AMapThatIgnoresTheWeightsIsFlagged) {
  const Kind kind{.height = 20, .width = 20};
  const Model model = small(kind);
  const Tensor x = small_input(kind);
  const auto maps_of = [&](const Model& m) {
    AttributionNetwork network(m, reference_backend());
    AttributionMap planted;
    planted.height = 20, planted.width = 20;
    for (size_t p = 0; p < 400; ++p) planted.values.push_back(std::abs(x.data<float>()[p]));
    return std::vector<AttributionMap>{planted, attribute(network, "gradient-input", x, 1, {})};
  };
  const std::vector<SanityCheck> checks = check_sanity({}, model, maps_of(model), maps_of, 3);
  ASSERT_EQ(checks.size(), 2u);
  ASSERT_EQ(checks[0].stages.size(), 3u);
  EXPECT_EQ(checks[0].stages[0].layers, 1);
  EXPECT_EQ(checks[0].stages[2].layers, 3);
  EXPECT_DOUBLE_EQ(checks[0].stages[2].correlation, 1);
  EXPECT_TRUE(checks[0].insensitive);
  EXPECT_LT(checks[1].stages[2].correlation, 0.999);
  EXPECT_EQ(checks[0].alike_layers, 3);
  // Of three layers, two and three are at least half.
  const bool alike = std::max(checks[1].stages[1].correlation, checks[1].stages[2].correlation) > kInsensitive;
  EXPECT_EQ(checks[1].insensitive, alike);
}

TEST(AttributionCheck, RandomWeightsKeepTheirScale) {
  Model model = small();
  const Tensor before = model.weights["w2"], bias = model.weights["b2"], first = model.weights["w1"];
  EXPECT_EQ(randomise_from_top(model, 2, 7), "last");
  const auto spread = [](const Tensor& t) {
    double square = 0;
    for (const double v : t.to_doubles()) square += v * v;
    return std::sqrt(square / static_cast<double>(t.count()));
  };
  EXPECT_FALSE(model.weights["w2"].same_bits(before));
  EXPECT_NEAR(spread(model.weights["w2"]) / spread(before), 1, 0.2);
  EXPECT_TRUE(model.weights["b2"].same_bits(bias));
  EXPECT_TRUE(model.weights["w1"].same_bits(first));
}

// One pixel decides: taking it away first must hurt at once, taking it away last only at the end.
TEST(AttributionCheck, DeletionAndInsertionKnowGoodFromBad) {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 1, 8, 8}});
  Tensor w(DType::f32, {2, 64});
  w.set(20, 10);
  model.weights["w"] = w;
  g.outputs = {{"scores", gemm(g, flatten(g, x), parameter(g, "w", {DType::f32, {2, 64}}), {}, {.trans_b = true})}};
  model.meaning.input = "x", model.meaning.scores = "scores";
  Tensor picture(DType::f32, {1, 1, 8, 8});
  picture.set(20, 1);
  AttributionNetwork network(model, reference_backend());
  AttributionMap good = attribute(network, "gradient-input", picture, 0, {}), bad = good;
  for (float& v : bad.values) v = -v;
  const Perturbation right = perturb(network, good, picture, 0, {}, 16),
                     wrong = perturb(network, bad, picture, 0, {}, 16);
  EXPECT_NEAR(right.deletion.front(), 1, 1e-3);
  EXPECT_NEAR(right.deletion.back(), 0.5, 1e-6);
  EXPECT_NEAR(right.insertion.back(), 1, 1e-3);
  EXPECT_LT(right.deletion_area, 0.55);
  EXPECT_GT(wrong.deletion_area, 0.9);
  EXPECT_GT(right.insertion_area, wrong.insertion_area);
}

}  // namespace
}  // namespace fovea
