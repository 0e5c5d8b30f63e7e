// Scores of the zoo's networks against PyTorch, with weights that follow a formula: tests/golden/zoo_scores/make.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/compile/program.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

// Element `index` of the tensor of a name: uniform in [0, 1), 24 bits.
double number(const std::string& name, int64_t index) {
  uint64_t x = 0xcbf29ce484222325;
  for (const char c : name) x = (x ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  x += static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return static_cast<double>(x >> 40) * 0x1p-24;
}

Tensor weight_of(const std::string& name, const Shape& shape) {
  Tensor t(DType::f32, shape);
  const double spread = shape.rank() > 1 ? std::sqrt(6.0 / static_cast<double>(shape.count(1, shape.rank()))) : 0;
  const bool is_shift = name.ends_with("bias") || name.ends_with("running_mean");
  const auto data = t.data<float>();
  for (size_t i = 0; i < data.size(); ++i) {
    const double u = number(name, static_cast<int64_t>(i));
    data[i] = static_cast<float>(spread > 0 ? (2 * u - 1) * spread : is_shift ? 0.1 * (2 * u - 1) : 0.75 + 0.5 * u);
  }
  return t;
}

struct Expected {
  std::string name;
  int64_t height = 0, width = 0, classes = 0;
  std::vector<double> scores;
};

std::vector<Expected> expected() {
  std::vector<Expected> all;
  std::ifstream in(std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/zoo_scores/scores.txt");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Expected& e = all.emplace_back();
    words >> e.name >> e.height >> e.width >> e.classes;
    for (double v = 0; words >> v;) e.scores.push_back(v);
  }
  return all;
}

// In exact mode within 1e-4 of the scores' range.
TEST(ZooScores, AgreeWithPyTorch) {
  const auto all = expected();
  ASSERT_GE(all.size(), 12u);
  const auto cpu = cpu_backend({.exact = true});
  for (const Expected& want : all) {
    SCOPED_TRACE(want.name);
    const Architecture* architecture = find_architecture(want.name);
    ASSERT_TRUE(architecture);
    const Model model = build(*architecture, {.height = want.height, .width = want.width});
    Weights weights;
    for (const Value p : model.graph.parameters()) {
      const std::string& name = model.graph.node(p).name;
      weights[name] = weight_of(name, model.graph.shape(p));
    }
    Tensor picture(DType::f32, {1, 3, want.height, want.width});
    for (int64_t i = 0; i < picture.count(); ++i) picture.set(i, 4 * number("picture", i) - 2);
    const Value wants[] = {model.graph.outputs.at(0).value};
    CompileOptions options;
    options.exact = true;
    options.tune = false;
    const Tensor got = compile(model.graph, wants, std::move(weights), *cpu, options).run({{"input", picture}})[0];
    ASSERT_EQ(got.shape(), (Shape{1, want.classes}));
    ASSERT_GE(want.scores.size(), 10u);
    const auto [low, high] = std::minmax_element(want.scores.begin(), want.scores.end());
    const int64_t step = std::max<int64_t>(1, want.classes / 40);
    double most = 0;
    for (size_t k = 0; k < want.scores.size(); ++k)
      most = std::max(most, std::abs(got.at(static_cast<int64_t>(k) * step) - want.scores[k]));
    EXPECT_LE(most / (*high - *low), 1e-4);
    RecordProperty(want.name, std::to_string(most / (*high - *low)));
  }
}

}  // namespace
}  // namespace fovea
