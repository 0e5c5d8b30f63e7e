// The zoo's networks against torchvision's, with weights made by a formula; see tests/golden/torchvision/make.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/parallel.h"
#include "fovea/compile/program.h"
#include "fovea/model/layers.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/training_mode.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// One line of a golden file: the norm of a tensor and some of its values, spread evenly.
struct Golden {
  std::string kind, name;
  Shape shape;
  double norm = 0;
  std::vector<double> samples;
};

std::vector<Golden> goldens(const std::string& network) {
  std::ifstream in(std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/torchvision" / (network + ".txt"));
  std::vector<Golden> result;
  for (std::string text; std::getline(in, text);) {
    std::istringstream line(text);
    Golden g;
    std::string shape;
    line >> g.kind >> g.name >> shape >> g.norm;
    std::istringstream sizes(shape);
    for (std::string size; std::getline(sizes, size, 'x');) g.shape.push_back(std::stoll(size));
    for (double value; line >> value;) g.samples.push_back(value);
    result.push_back(std::move(g));
  }
  return result;
}

// (2u - 1) · range where `low` is negative, else low + range · u, with the script's own operations: the last bit
// agrees.
Tensor filled(const std::string& name, const Shape& shape, double low, double range) {
  Tensor t(DType::f32, shape);
  const auto data = t.data<float>();
  const Formula u(name);
  parallel_for(t.count(), 1 << 14, [&](int64_t i) {
    const double x = low < 0 ? (2 * u(i) - 1) * range : low + range * u(i);
    data[static_cast<size_t>(i)] = static_cast<float>(x);
  });
  return t;
}

Tensor weight(const std::string& name, const Shape& shape) {
  if (name.ends_with("running_var")) return filled(name, shape, 0.5, 1);
  if (shape.rank() >= 2)
    return filled(name, shape, -1, std::sqrt(6.0 / static_cast<double>(shape.count(1, shape.rank()))));
  if (name.ends_with("weight")) return filled(name, shape, 0.75, 0.5);
  return filled(name, shape, -1, 0.1);
}

// The samples' differences: for values of layers the largest, relative to the root mean square of the golden tensor;
// for gradients their Euclidean norm, relative to that of the samples, since a unit near the kink of a ReLU or a
// pooling that falls on its other side by rounding changes the few pixels that it sees by more.
double difference(const Tensor& got, const Golden& want) {
  const double scale = want.norm / std::sqrt(static_cast<double>(want.shape.count()));
  double worst = 0, squares = 0, all = 0;
  const auto count = static_cast<int64_t>(want.samples.size());
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = want.kind == "logits" ? k : k * got.count() / count;
    const double expected = want.samples[static_cast<size_t>(k)], away = std::abs(got.at(at) - expected);
    worst = std::max(worst, away / scale);
    squares += away * away;
    all += expected * expected;
  }
  return want.kind == "gradient" ? std::sqrt(squares / all) : worst;
}

double norm(const Tensor& t) {
  double sum = 0;
  for (const float x : t.data<float>()) sum += double(x) * double(x);
  return std::sqrt(sum);
}

class TorchvisionStages : public testing::TestWithParam<std::tuple<std::string, bool>> {};

TEST_P(TorchvisionStages, LogitsAndGradientAgree) {
  const auto& [network, exact] = GetParam();
  std::vector<Golden> golden = goldens(network);
  ASSERT_GT(golden.size(), 10u) << "no golden data";
  const std::string picture_name = "picture " + golden[0].name;
  golden.erase(golden.begin());
  const Architecture* architecture = find_architecture(network);
  ASSERT_NE(architecture, nullptr);
  Model model = build(*architecture);
  for (const Value p : model.graph.parameters())
    model.weights[model.graph.node(p).name] = weight(model.graph.node(p).name, model.graph.shape(p));
  std::vector<Value> wants;
  for (const Golden& g : golden)
    if (g.kind == "stage") wants.push_back(find_layer(model, g.name));
  const Value scores = model.graph.outputs[0].value, picture = model.graph.inputs()[0];
  wants.push_back(scores);
  const Value direction = constant(model.graph, filled("direction", model.graph.shape(scores), -1, 1));
  const Value loss = reduce(model.graph, mul(model.graph, scores, direction));
  const Value wrt[] = {picture};
  wants.push_back(gradient(model.graph, loss, wrt)[0]);
  const auto backend = cpu_backend({exact, false});
  Program program = compile(model.graph, wants, std::move(model.weights), *backend, {.exact = exact, .tune = false});
  const auto got =
      program.run({{model.graph.node(picture).name, filled(picture_name, model.graph.shape(picture), -1, 2)}});
  ASSERT_EQ(got.size(), golden.size());
  // Relative to the root mean square of a stage, whose largest values are several times that. Without --exact
  // Winograd's rounding is allowed for: 3 times as much, and more for gradients, where units near a kink take the other
  // side.
  for (size_t i = 0; i < golden.size(); ++i) {
    const Golden& g = golden[i];
    EXPECT_EQ(to_string(got[i].shape()), to_string(g.shape)) << g.name;
    const double bound = (g.kind == "logits" ? 1e-4 : 1e-3) * (exact ? 1 : g.kind == "gradient" ? 50 : 3);
    EXPECT_LT(difference(got[i], g), bound) << g.kind << " " << g.name;
    EXPECT_NEAR(norm(got[i]) / g.norm, 1, bound) << g.kind << " " << g.name;
  }
}

// In training the batch's own statistics normalise; what is left behind for inference is compared too.
TEST(Torchvision, TrainingModeAgrees) {
  const std::vector<Golden> golden = goldens("resnet18_training");
  ASSERT_GT(golden.size(), 10u) << "no golden data";
  Model model = build(*find_architecture("resnet18"), {.height = 64, .width = 64, .batch = 4});
  for (const Value p : model.graph.parameters())
    model.weights[model.graph.node(p).name] = weight(model.graph.node(p).name, model.graph.shape(p));
  const Value outputs[] = {model.graph.outputs[0].value};
  TrainingGraph training = training_mode(model.graph, outputs);
  Graph& graph = training.graph;
  const Value scores = training.map(outputs[0]), picture = graph.inputs()[0];
  const Value direction = constant(graph, filled("direction", graph.shape(scores), -1, 1));
  const Value loss = reduce(graph, mul(graph, scores, direction));
  const Value wrt[] = {picture, {graph.find("conv1.weight"), 0}};
  std::vector<Value> wants = {scores};
  for (const Value g : gradient(graph, loss, wrt)) wants.push_back(g);
  for (const Golden& g : golden)
    if (g.kind == "state")
      for (const RunningStatistic& s : training.statistics)
        if (graph.node(s.current).name == g.name) wants.push_back(s.next);
  ASSERT_EQ(wants.size(), golden.size());
  CompileOptions options;
  options.exact = true;
  options.tune = false;
  const auto backend = cpu_backend({true, false});
  Program program = compile(graph, wants, std::move(model.weights), *backend, options);
  const auto got = program.run({{graph.node(picture).name, filled("picture 0", graph.shape(picture), -1, 2)}});
  for (size_t i = 0; i < golden.size(); ++i) {
    const double bound = golden[i].kind == "gradient" ? 1e-3 : 1e-4;
    EXPECT_LT(difference(got[i], golden[i]), bound) << golden[i].kind << " " << golden[i].name;
    EXPECT_NEAR(norm(got[i]) / golden[i].norm, 1, bound) << golden[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, TorchvisionStages,
    testing::Combine(testing::Values("alexnet", "vgg11", "vgg16_bn", "vgg19", "resnet18", "resnet50", "googlenet",
                                     "squeezenet1_0", "squeezenet1_1", "densenet121"),
                     testing::Bool()),
    [](const auto& p) { return std::get<0>(p.param) + (std::get<1>(p.param) ? "_exact" : "_default"); });

}  // namespace
}  // namespace fovea
