// Attribution maps against PyTorch's numbers (tests/golden/attribution/make.py).
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/insight/attribution.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "tests/golden_text.h"

namespace fovea {
namespace {

constexpr int64_t kLabel = 3;

const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> all = golden_text("attribution", DType::f32);
  return all;
}

Model golden_model() {
  Model model;
  Graph& g = model.graph;
  const auto weight = [&](const std::string& name) {
    model.weights[name] = golden().at(name);
    return parameter(g, name, {DType::f32, golden().at(name).shape()});
  };
  const auto norm = [&](const std::string& name, Value x) {
    return batch_norm(g, x, weight(name + ".weight"), weight(name + ".bias"), weight(name + ".running_mean"),
                      weight(name + ".running_var"));
  };
  const Value x = input(g, "input", {DType::f32, {1, 3, 12, 16}});
  Value y = relu(g, norm("bn1", conv(g, x, weight("conv1.weight"), weight("conv1.bias"), {.pad = 1})));
  y = max_pool(g, y, {.kernel = {2, 2}, .stride = 2});
  const Value a = relu(g, conv(g, y, weight("a.weight"), weight("a.bias")));
  const Value b = leaky_relu(g, norm("bn2", conv(g, y, weight("b.weight"), {}, {.pad = 1})), {0.1});
  y = concat(g, {a, b});
  g.rename(y.node, "joined");
  y = conv(g, y, weight("conv2.weight"), weight("conv2.bias"), {.stride = 2, .pad = 1});
  g.rename(y.node, "conv2");
  y = relu(g, y);
  g.rename(y.node, "maps");
  const Value w = weight("fc.weight"), c = weight("fc.bias");
  y = gemm(g, flatten(g, global_average_pool(g, y)), w, c, {.trans_b = true});
  g.outputs = {{"scores", y}};
  model.meaning.input = "input";
  model.meaning.scores = "scores";
  return model;
}

double relative_distance(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double d = 0, s = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    d += std::pow(double(a[i]) - double(b[i]), 2);
    s += std::pow(double(b[i]), 2);
  }
  EXPECT_GT(s, 0);
  return std::sqrt(d / s);
}

// Rows of [C,H,W] summed over C.
std::vector<float> channel_sums(const Tensor& t, int64_t channels) {
  const auto plane = static_cast<size_t>(t.count() / channels);
  std::vector<float> sums(plane, 0.0f);
  for (int64_t i = 0; i < t.count(); ++i) sums[static_cast<size_t>(i) % plane] += static_cast<float>(t.at(i));
  return sums;
}

class AttributionGolden : public testing::Test {
 protected:
  AttributionMap map(std::string_view method, AttributionOptions options = {}) {
    AttributionNetwork network(model_, *backend_, {}, options);
    return attribute(network, method, golden().at("input"), kLabel, {});
  }
  const Model model_ = golden_model();
  const std::unique_ptr<Backend> backend_ = cpu_backend({});
};

TEST_F(AttributionGolden, Scores) {
  AttributionNetwork network(model_, *backend_);
  const std::vector<double> scores = network.scores_of(golden().at("input"), {});
  ASSERT_EQ(scores.size(), 5u);
  for (int64_t i = 0; i < 5; ++i) EXPECT_NEAR(scores[static_cast<size_t>(i)], golden().at("scores").at(i), 1e-4);
}

TEST_F(AttributionGolden, RulesAtThePicture) {
  AttributionNetwork network(model_, *backend_);
  for (const char* rule : {"gradient", "guided", "deconvnet"}) {
    BatchedProgram& program = network.gradients(rule);
    Tensor found(DType::f32, {1, 3, 12, 16});
    program.run(
        {}, 1,
        [&](int64_t, std::span<float> picture) {
          std::ranges::copy(golden().at("input").data<float>(), picture.begin());
        },
        [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
          std::ranges::copy(row_of(wants[1], slot), found.data<float>().begin());
        },
        network.seed(program, kLabel));
    EXPECT_LT(relative_distance(std::as_const(found).data<float>(), golden().at(rule).data<float>()), 1e-3) << rule;
  }
}

TEST_F(AttributionGolden, ClassActivationMaps) {
  for (const char* method : {"cam", "grad-cam", "grad-cam++", "layer-cam", "score-cam", "hires-cam", "ablation-cam"}) {
    const AttributionMap found = map(method);
    EXPECT_EQ(found.layer, "maps") << method;
    EXPECT_LT(relative_distance(found.values, golden().at(method).data<float>()), 1e-3) << method;
  }
}

TEST_F(AttributionGolden, ClassActivationMapsOfALayerFurtherDown) {
  for (const std::string method : {"hires-cam", "ablation-cam"}) {
    const AttributionMap found = map(method, {.layer = "joined"});
    EXPECT_EQ(found.layer, "joined") << method;
    EXPECT_LT(relative_distance(found.values, golden().at(method + "-joined").data<float>()), 1e-3) << method;
  }
}

TEST_F(AttributionGolden, DeepLift) {
  const AttributionMap found = map("deep-lift", {.baseline = golden().at("baseline")});
  EXPECT_LT(relative_distance(found.values, golden().at("deep-lift").data<float>()), 1e-3);
  for (const auto& [name, value] : found.facts)
    if (name == "relative_gap") EXPECT_LT(value, 1e-4);
  EXPECT_EQ(found.facts.at(3).first, "relative_gap");
  for (const float v : map("deep-lift", {.baseline = golden().at("input")}).values)
    EXPECT_EQ(v, 0) << "nothing differs from itself";
}

TEST_F(AttributionGolden, IntegratedGradients) {
  AttributionOptions options{.steps = 65, .quadrature = "trapezoid", .baseline = golden().at("baseline")};
  const AttributionMap found = map("integrated-gradients", options);
  EXPECT_LT(relative_distance(found.values, channel_sums(golden().at("integrated"), 3)), 1e-3);
}

TEST_F(AttributionGolden, Relevance) {
  EXPECT_LT(relative_distance(map("lrp").values, golden().at("lrp").data<float>()), 1e-3);
}

TEST_F(AttributionGolden, Occlusion) {
  const AttributionMap found = map("occlusion", {.window = 4, .stride = 2});
  EXPECT_LT(relative_distance(found.values, golden().at("occlusion").data<float>()), 1e-3);
}

// A small limit on memory gives the same maps with smaller batches; one that nothing fits is refused.
TEST_F(AttributionGolden, MemoryLimitSplitsTheBatch) {
  AttributionNetwork wide(model_, *backend_, {}, {.limits = {64, size_t{64} << 20}});
  ASSERT_EQ(wide.scores().batch(64), 64);
  EXPECT_EQ(wide.scores().batch(1), 1);
  AttributionNetwork one(model_, *backend_, {}, {.limits = {1, size_t{64} << 20}});
  const size_t least = one.scores().memory();
  AttributionNetwork narrow(model_, *backend_, {}, {.limits = {64, 6 * least}});
  EXPECT_LT(narrow.scores().batch(64), 64);
  EXPECT_GT(narrow.scores().batch(64), 1);
  EXPECT_LE(narrow.scores().memory(), 6 * least);
  const Tensor& x = golden().at("input");
  const AttributionMap a = occlusion(wide, x, kLabel, {}), b = occlusion(narrow, x, kLabel, {});
  EXPECT_LT(relative_distance(a.values, b.values), 1e-4);
  AttributionNetwork none(model_, *backend_, {}, {.limits = {64, 1000}});
  try {
    none.scores();
    FAIL() << "expected an error";
  } catch (const Error& e) { EXPECT_NE(e.message().find("limit"), std::string::npos) << e.message(); }
}

}  // namespace
}  // namespace fovea
