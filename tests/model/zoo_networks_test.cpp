// Networks of the zoo in other sizes, and their values: the CPU backend against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/fractalnet.h"
#include "fovea/model/zoo/resnet_cifar.h"
#include "fovea/ops/input.h"

namespace fovea {
namespace {

// Of this file's families: the smallest side that leaves something to pool.
struct Subject {
  const char* name;
  int64_t side;
};
constexpr Subject kSubjects[] = {{"resnet18", 33},
                                 {"resnet34", 17},
                                 {"resnet50", 33},
                                 {"resnet101", 17},
                                 {"resnet152", 17},
                                 {"resnet20_cifar", 13},
                                 {"resnet32_cifar", 9},
                                 {"resnet44_cifar", 9},
                                 {"resnet56_cifar", 9},
                                 {"resnet110_cifar", 9},
                                 {"resnet1202_cifar", 4},
                                 {"resnet20_cifar_b", 13},
                                 {"resnet110_cifar_b", 9},
                                 {"preresnet110_cifar", 9},
                                 {"preresnet164_cifar", 9},
                                 {"preresnet1001_cifar", 4},
                                 {"resnet110_stochastic_cifar", 9},
                                 {"densenet121", 33},
                                 {"densenet161", 32},
                                 {"densenet169", 32},
                                 {"densenet201", 32},
                                 {"densenet40_cifar", 9},
                                 {"densenet100_cifar", 9},
                                 {"densenet100bc_cifar", 9},
                                 {"fractalnet_cifar", 32},
                                 {"fractalnet40_cifar", 32},
                                 {"allcnn_cifar", 17},
                                 {"highway_cifar", 13},
                                 {"highway_mnist", 28}};

Model network(const std::string& name, const ZooOptions& options = {}) {
  const Architecture* architecture = find_architecture(name);
  require(architecture, ErrorKind::usage, "no {}", name);
  return build(*architecture, options);
}

Tensor noise(const Shape& shape, uint64_t key) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, Rng(key).normal(static_cast<uint64_t>(i)));
  return t;
}

// Initial weights, with batch norms that do something.
Weights weights_of(const Graph& graph) {
  Weights weights = initial_weights(graph, 5);
  for (auto& entry : weights) {
    const std::string& name = entry.first;
    Tensor& tensor = entry.second;
    const Rng rng = Rng(7).fork(name);
    const auto fill = [&](double low, double high) {
      for (int64_t i = 0; i < tensor.count(); ++i)
        tensor.set(i, low + (high - low) * rng.uniform_double(static_cast<uint64_t>(i)));
    };
    if (name.ends_with("running_var")) fill(0.7, 1.4);
    else if (name.ends_with("running_mean")) fill(-0.1, 0.1);
  }
  return weights;
}

// Both backends' scores; `bound` is relative to the largest.
void expect_agreement(const Model& model, double bound) {
  const Graph& graph = model.graph;
  verify(graph);
  const Weights weights = weights_of(graph);
  const Tensor picture = noise(graph.shape(graph.inputs()[0]), 3);
  const Value wants[] = {graph.outputs.at(0).value};
  std::map<std::string, Tensor> feeds(weights.begin(), weights.end());
  feeds["input"] = picture;
  const Tensor want = evaluate(graph, feeds, wants)[0];
  const auto backend = cpu_backend({.exact = true});
  CompileOptions options;
  options.exact = true;
  options.tune = false;
  Program program = compile(graph, wants, weights, *backend, options);
  const Tensor got = program.run({{"input", picture}})[0];
  ASSERT_EQ(got.shape(), want.shape());
  double largest = 0, most = 0, spread = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    ASSERT_TRUE(std::isfinite(want.at(i)));
    largest = std::max(largest, std::abs(want.at(i)));
    most = std::max(most, std::abs(got.at(i) - want.at(i)));
    spread = std::max(spread, std::abs(want.at(i) - want.at(0)));
  }
  EXPECT_GT(spread, 1e-3 * largest);  // the classes differ
  EXPECT_LE(most, bound * largest);
}

class ZooNetwork : public testing::TestWithParam<Subject> {};

// Every layer rounds its values to f32 (2^-24 of their size) and the next ones carry that on: hundreds of layers of a
// random network leave some 1e-5 of the largest score.
TEST_P(ZooNetwork, CpuAgreesWithTheReference) {
  const auto [name, side] = GetParam();
  expect_agreement(network(name, {.classes = 7, .height = side, .width = side}), 1e-4);
}

TEST_P(ZooNetwork, TakesOtherSizes) {
  const auto [name, side] = GetParam();
  const Architecture& published = *find_architecture(name);
  const Graph whole = build(published).graph;
  EXPECT_EQ(whole.outputs.at(0).name, "scores");
  EXPECT_EQ(whole.shape(whole.outputs[0].value), (Shape{1, published.classes}));
  const Graph other =
      network(name, {.classes = 5, .channels = 1, .height = side + 2, .width = side + 9, .batch = 3}).graph;
  verify(other);
  EXPECT_EQ(other.shape(other.inputs().at(0)), (Shape{3, 1, side + 2, side + 9}));
  EXPECT_EQ(other.shape(other.outputs[0].value), (Shape{3, 5}));
}

INSTANTIATE_TEST_SUITE_P(Each, ZooNetwork, testing::ValuesIn(kSubjects),
                         [](const auto& subject) { return std::string(subject.param.name); });

TEST(ZooNetworks, NamesAndAliasesAreUnique) {
  std::set<std::string> networks;
  for (const Architecture& a : architectures()) {
    EXPECT_TRUE(networks.insert(a.name).second) << a.name;
    const Model model = build(a);
    std::set<std::string> others;
    for (const auto& [other, target] : model.meaning.aliases) {
      EXPECT_TRUE(others.insert(other).second) << a.name << ": " << other;
      EXPECT_EQ(model.graph.find(other), -1) << a.name << ": " << other;
      EXPECT_GE(model.graph.find(target), 0) << a.name << ": " << other << " is " << target;
    }
  }
}

TEST(ZooNetworks, CpuAgreesOnASmallFractal) {
  for (const auto& [blocks, columns] : {std::pair{1, 1}, {2, 3}, {3, 4}})
    expect_agreement(build(fractalnet(blocks, columns, 8), {.classes = 4, .height = 12, .width = 9}), 1e-5);
}

TEST(ZooNetworks, PicturesTooSmallAreRefused) {
  EXPECT_THROW(network("allcnn_cifar", {.height = 4, .width = 4}), Error);
  EXPECT_THROW(network("fractalnet_cifar", {.height = 31, .width = 31}), Error);
  EXPECT_THROW(network("densenet121", {.height = 16, .width = 16}), Error);
}

// Option A of the shortcut: every second pixel, a quarter of the channels as zeros before and behind.
TEST(ZooNetworks, ParameterFreeShortcutsSubsample) {
  const Graph graph = network("resnet20_cifar", {.height = 5, .width = 6}).graph;
  std::map<std::string, Tensor> feeds;
  for (auto& [name, tensor] : weights_of(graph)) feeds[name] = tensor;
  feeds["input"] = noise({1, 3, 5, 6}, 3);
  const Value wants[] = {{graph.find("layer1.2"), 0}, {graph.find("layer2.0.shortcut"), 0}};
  const auto values = evaluate(graph, feeds, wants);
  const Tensor &x = values[0], &y = values[1];
  ASSERT_EQ(x.shape(), (Shape{1, 16, 5, 6}));
  ASSERT_EQ(y.shape(), (Shape{1, 32, 3, 3}));
  for (int64_t c = 0; c < 32; ++c)
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 3; ++j) {
        const bool kept = c >= 8 && c < 24;
        EXPECT_EQ(y.at((c * 3 + i) * 3 + j), kept ? x.at(((c - 8) * 5 + 2 * i) * 6 + 2 * j) : 0);
      }
}

// A block adds its survival's share of the branch.
TEST(ZooNetworks, SurvivingBranchesAreScaled) {
  const Graph graph = network("resnet110_stochastic_cifar", {.height = 4, .width = 4}).graph;
  const Graph full = network("resnet110_cifar", {.height = 4, .width = 4}).graph;
  const Weights weights = weights_of(graph);
  std::map<std::string, Tensor> feeds(weights.begin(), weights.end());
  feeds["input"] = noise({1, 3, 4, 4}, 3);
  const Value wants[] = {
      {graph.find("layer1.17.bn2"), 0}, {graph.find("layer1.17.add"), 0}, {graph.find("layer1.16"), 0}};
  const auto values = evaluate(graph, feeds, wants);
  const double p = 1 - 18.0 / 54 * 0.5;
  for (int64_t i = 0; i < values[0].count(); ++i)
    EXPECT_NEAR(values[1].at(i), p * values[0].at(i) + values[2].at(i), 1e-5 * (1 + std::abs(values[1].at(i))));
  // The network without stochastic depth has the same tensors: its trained weights fit.
  EXPECT_EQ(full.parameters().size(), graph.parameters().size());
  for (const Value v : full.parameters()) EXPECT_TRUE(weights.contains(full.node(v).name));
}

// An untrained highway layer mostly carries its input on: T = sigmoid(about −2).
TEST(ZooNetworks, HighwayGatesStartClosed) {
  for (const char* name : {"highway_mnist", "highway_cifar"}) {
    const Graph graph = network(name).graph;
    const Weights weights = initial_weights(graph, 1);
    EXPECT_EQ(weights.at("layer2.transform.bias").at(0), -2) << name;
    EXPECT_EQ(weights.at("layer2.plain.bias").at(0), 0) << name;
    EXPECT_EQ(weights.at("fc.bias").at(0), 0) << name;
  }
  const Graph graph = network("highway_mnist").graph;
  const Weights weights = initial_weights(graph, 1);
  std::map<std::string, Tensor> feeds(weights.begin(), weights.end());
  feeds["input"] = noise({1, 1, 28, 28}, 3);
  std::vector<Value> wants;
  for (const char* node : {"layer3", "layer3.relu", "layer3.gate", "layer2"}) wants.push_back({graph.find(node), 0});
  const auto v = evaluate(graph, feeds, wants);
  for (int64_t i = 0; i < 50; ++i) {
    const double t = v[2].at(i);
    EXPECT_NEAR(v[0].at(i), v[1].at(i) * t + v[3].at(i) * (1 - t), 1e-5 * (1 + std::abs(v[0].at(i))));
  }
}

}  // namespace
}  // namespace fovea
