// How weights begin: moments of each kind, orthogonality, names and seeds, residual branches.
#include "fovea/model/initialise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/model/orthogonal.h"
#include "fovea/model/residual_blocks.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"

namespace fovea {
namespace {

// A convolution 16 → 48 in four groups, its transpose 48 → 16 in two, and a classifier: fans of each kind.
Graph layers() {
  Graph g;
  Value x = input(g, "x", {DType::f32, {1, 16, 8, 8}});
  x = conv(g, x, parameter(g, "grouped", {DType::f32, {48, 4, 3, 3}}), parameter(g, "bias", {DType::f32, {48}}),
           {.pad = 1, .groups = 4});
  x = conv_transpose(g, x, parameter(g, "transposed", {DType::f32, {48, 8, 3, 3}}), {}, {.groups = 2});
  x = flatten(g, global_average_pool(g, x));
  x = gemm(g, x, parameter(g, "tall", {DType::f32, {300, 16}}), {}, {.trans_b = true});
  g.outputs.push_back({"scores", gemm(g, x, parameter(g, "wide", {DType::f32, {300, 40}}))});
  return g;
}

struct Moments {
  double mean = 0, variance = 0, fourth = 0, largest = 0;
};
Moments moments(const Tensor& t) {
  Moments m;
  const auto n = static_cast<double>(t.count());
  for (int64_t i = 0; i < t.count(); ++i) m.mean += t.at(i) / n, m.largest = std::max(m.largest, std::abs(t.at(i)));
  for (int64_t i = 0; i < t.count(); ++i) {
    const double square = (t.at(i) - m.mean) * (t.at(i) - m.mean);
    m.variance += square / n;
    m.fourth += square * square / n;
  }
  return m;
}

struct Expected {
  const char* name;
  double in, out;
};

TEST(Initialise, IdentityPassesMapsOn) {
  const Graph g = layers();
  const Weights plain = initial_weights(g, 3), passing = initial_weights(g, 3, {.identity = {"group*"}});
  const Tensor& w = passing.at("grouped");  // four groups of 12 outputs, each of 4 inputs
  for (int64_t o = 0; o < 48; ++o)
    for (int64_t i = 0; i < 4 * 9; ++i) {
      const int64_t at = o * 36 + i;
      if (o % 12 < 4) EXPECT_EQ(w.at(at), i == o % 12 * 9 + 4 ? 1 : 0) << o << " " << i;
      else EXPECT_EQ(w.at(at), plain.at("grouped").at(at));
    }
  for (const char* name : {"transposed", "tall", "bias"})
    for (int64_t i = 0; i < plain.at(name).count(); ++i) ASSERT_EQ(passing.at(name).at(i), plain.at(name).at(i));
  try {
    initial_weights(g, 3, {.identity = {"grouqed"}});
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("grouped"), std::string::npos) << e.message(); }
}

TEST(Initialise, EachKindHasItsMoments) {
  const Graph g = layers();
  const Expected fans[] = {{"grouped", 36, 108}, {"transposed", 216, 72}, {"tall", 16, 300}, {"wide", 300, 40}};
  for (const std::string& kind : initialisation_kinds()) {
    if (kind == "orthogonal") continue;
    for (const std::string fan : {"in", "out", "mean"}) {
      const Weights weights = initial_weights(g, 3, {.kind = kind, .fan = fan, .gain = 1.5});
      for (const Expected& e : fans) {
        const bool uniform = kind.ends_with("uniform");
        const bool mean = kind.starts_with("xavier") || fan == "mean";
        const double divisor = mean ? (e.in + e.out) / 2 : fan == "in" ? e.in : e.out;
        const double variance = 2.25 * (kind.starts_with("he") ? 2 : 1) / divisor;
        const Moments m = moments(weights.at(e.name));
        const auto n = static_cast<double>(weights.at(e.name).count());
        // Five standard errors: σ/√n of the mean, σ² √((κ − 1)/n) of the variance; κ = 3 and 9/5.
        const double kurtosis = uniform ? 1.8 : 3;
        EXPECT_NEAR(m.mean, 0, 5 * std::sqrt(variance / n)) << kind << " " << fan << " " << e.name;
        EXPECT_NEAR(m.variance / variance, 1, 5 * std::sqrt((kurtosis - 1) / n)) << kind << " " << fan << " " << e.name;
        EXPECT_NEAR(m.fourth / (m.variance * m.variance), kurtosis, uniform ? 0.1 : 0.7) << kind << " " << e.name;
        if (uniform) EXPECT_LE(m.largest, std::sqrt(3 * variance) * (1 + 1e-6)) << kind;
        else EXPECT_GT(m.largest, std::sqrt(3 * variance) * 1.3) << kind;
      }
      EXPECT_EQ(moments(weights.at("bias")).largest, 0);
    }
  }
}

// The largest deviation of M Mᵀ from `square` · 1 for the matrices of rows × columns in a tensor, M transposed where
// tall.
double from_orthogonal(const Tensor& t, int64_t rows, int64_t columns, double square) {
  double most = 0;
  const bool tall = rows > columns;
  const int64_t vectors = std::min(rows, columns), length = std::max(rows, columns);
  for (int64_t first = 0; first < t.count(); first += rows * columns)
    for (int64_t a = 0; a < vectors; ++a)
      for (int64_t b = 0; b <= a; ++b) {
        double dot = 0;
        for (int64_t k = 0; k < length; ++k) {
          const auto at = [&](int64_t v) { return t.at(first + (tall ? k * columns + v : v * columns + k)); };
          dot += at(a) * at(b);
        }
        most = std::max(most, std::abs(dot - (a == b ? square : 0)));
      }
  return most;
}

TEST(Initialise, OrthogonalLayersAreOrthogonalInEachGroup) {
  const Weights weights = initial_weights(layers(), 3, {.kind = "orthogonal", .gain = 1.5});
  EXPECT_LT(from_orthogonal(weights.at("grouped"), 12, 36, 2.25), 1e-6);
  EXPECT_LT(from_orthogonal(weights.at("transposed"), 24, 72, 2.25), 1e-6);
  EXPECT_LT(from_orthogonal(weights.at("tall"), 300, 16, 2.25), 1e-6);
  EXPECT_LT(from_orthogonal(weights.at("wide"), 300, 40, 2.25), 1e-6);
  // Haar's distribution favours no sign: the first row's first number is as often positive as negative.
  int positive = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Graph g;
    const Value x = input(g, "x", {DType::f32, {1, 3}});
    gemm(g, x, parameter(g, "w", {DType::f32, {3, 3}}));
    positive += initial_weights(g, seed, {.kind = "orthogonal"}).at("w").at(8) > 0;
  }
  EXPECT_NEAR(positive, 100, 36);  // five standard errors
}

// Square matrices are the hard ones: the last rows are what is left of almost nothing. Sizes on both sides of blocks.
TEST(Initialise, OrthonormaliseIsExactInDouble) {
  for (const int64_t rows : {1, 15, 16, 17, 100}) {
    for (const int64_t columns : {rows, rows + 1, 2 * rows + 1030}) {
      std::vector<double> m(static_cast<size_t>(rows * columns));
      for (size_t i = 0; i < m.size(); ++i) m[i] = Rng(11).normal(i);
      orthonormalise(m, rows, columns);
      EXPECT_LT(from_orthogonal(Tensor::of<double>({rows, columns}, m), rows, columns, 1), 1e-13)
          << rows << "x" << columns;
    }
  }
  std::vector<double> close = {1, 2, 3, 1, 2, 3 + 1e-9};  // nearly dependent: the second projection's work
  orthonormalise(close, 2, 3);
  EXPECT_LT(from_orthogonal(Tensor::of<double>({2, 3}, close), 2, 3, 1), 1e-13);
  std::vector<double> same = {1, 2, 3, 2, 4, 6};
  EXPECT_THROW(orthonormalise(same, 2, 3), Error);
}

TEST(Initialise, DependsOnSeedAndNameOnly) {
  const Graph g = layers();
  Graph other;
  const Value x = input(other, "first", {DType::f32, {1, 300}});
  gemm(other, x, parameter(other, "wide", {DType::f32, {300, 40}}));
  for (const std::string& kind : initialisation_kinds()) {
    const Tensor once = initial_weights(g, 7, {.kind = kind}).at("wide");
    EXPECT_TRUE(once.same_bits(initial_weights(g, 7, {.kind = kind}).at("wide"))) << kind;
    EXPECT_TRUE(once.same_bits(initial_weights(other, 7, {.kind = kind}).at("wide"))) << kind;
    EXPECT_FALSE(once.same_bits(initial_weights(g, 8, {.kind = kind}).at("wide"))) << kind;
  }
  // The default's numbers are part of what a seed means.
  const Tensor wide = initial_weights(g, 7).at("wide");
  EXPECT_EQ(wide.at(123), static_cast<float>(std::sqrt(2.0 / 300) * Rng(7).fork("wide").normal(123)));
}

TEST(Initialise, RefusesUnknownWords) {
  const Graph g = layers();
  EXPECT_THROW(initial_weights(g, 0, {.kind = "he"}), Error);
  EXPECT_THROW(initial_weights(g, 0, {.fan = "sum"}), Error);
  EXPECT_THROW(initial_weights(g, 0, {.gain = 0}), Error);
  EXPECT_THROW(initial_weights(g, 0, {.residual_scale = "two"}), Error);
}

Graph zoo_graph(const char* name) { return build(*find_architecture(name)).graph; }

TEST(Initialise, ResidualBlocksAreFound) {
  struct Want {
    const char* name;
    size_t blocks;
    const char* last;  // the scale of the last block
  };
  const Want wants[] = {{"resnet18", 8, "layer4.1.bn2.weight"},
                        {"resnet50", 16, "layer4.2.bn3.weight"},
                        {"resnet152", 50, "layer4.2.bn3.weight"},
                        {"resnet20_cifar", 9, "layer3.2.bn2.weight"},
                        {"resnet20_cifar_b", 9, "layer3.2.bn2.weight"},
                        {"resnet110_stochastic_cifar", 54, "layer3.17.bn2.weight"},
                        {"preresnet110_cifar", 54, "layer3.17.conv2.weight"},
                        {"preresnet1001_cifar", 333, "layer3.110.conv3.weight"},
                        {"vgg16", 0, ""},
                        {"googlenet", 0, ""},
                        {"densenet121", 0, ""},
                        {"highway_cifar", 0, ""}};
  for (const Want& want : wants) {
    const Graph g = zoo_graph(want.name);
    const auto blocks = residual_blocks(g);
    ASSERT_EQ(blocks.size(), want.blocks) << want.name;
    if (blocks.empty()) continue;
    EXPECT_EQ(g.node(blocks.back().scale).name, want.last) << want.name;
    EXPECT_EQ(blocks.back().norm, std::string_view(want.last).find("bn") != std::string_view::npos);
  }
  for (const Architecture& a : architectures())
    if (a.family == "FractalNet") EXPECT_TRUE(residual_blocks(build(a).graph).empty()) << a.name;
}

TEST(Initialise, BranchesBeginAsAsked) {
  const Graph g = zoo_graph("resnet18"), deep = zoo_graph("preresnet1001_cifar");
  const Weights plain = initial_weights(g, 1), zero = initial_weights(g, 1, {.residual_scale = "zero"});
  const Weights depth = initial_weights(g, 1, {.residual_scale = "depth"});
  int changed = 0;
  for (const auto& entry : plain) {
    const std::string& name = entry.first;
    if (!entry.second.same_bits(zero.at(name))) ++changed;
    if (!name.ends_with("bn2.weight")) continue;
    EXPECT_EQ(entry.second.at(3), 1) << name;
    EXPECT_EQ(zero.at(name).at(3), 0) << name;
    EXPECT_EQ(depth.at(name).at(3), static_cast<float>(1 / std::sqrt(8.0))) << name;
  }
  EXPECT_EQ(changed, 8);
  // Without a batch norm behind it, the convolution itself is scaled.
  const Weights scaled = initial_weights(deep, 1), one = initial_weights(deep, 1, {.residual_scale = "one"});
  const char* name = "layer2.7.conv3.weight";
  for (const int64_t i : {0, 99, 1000})
    EXPECT_NEAR(scaled.at(name).at(i), one.at(name).at(i) / std::sqrt(333.0), 1e-8) << i;
  EXPECT_TRUE(scaled.at("layer2.7.conv2.weight").same_bits(one.at("layer2.7.conv2.weight")));
}

// The largest score of an untrained network for a picture of noise, running statistics 0 and 1.
double largest_score(const Architecture& architecture, const Initialisation& how) {
  const Graph g = build(architecture, {.height = 8, .width = 8}).graph;
  const auto backend = cpu_backend({.exact = true});
  CompileOptions options;
  options.tune = false;
  const Value wants[] = {g.outputs.at(0).value};
  Program program = compile(g, wants, initial_weights(g, 2, how), *backend, options);
  Tensor picture(DType::f32, g.shape(g.inputs()[0]));
  for (int64_t i = 0; i < picture.count(); ++i) picture.set(i, Rng(4).normal(static_cast<uint64_t>(i)));
  const Tensor scores = program.run({{"input", picture}})[0];
  double largest = 0;
  for (int64_t i = 0; i < scores.count(); ++i) {
    if (!std::isfinite(scores.at(i))) return INFINITY;
    largest = std::max(largest, std::abs(scores.at(i)));
  }
  return largest;
}

// With every branch at full scale a thousand layers reach the end of f32 (on whole pictures they pass it); that is what
// the default is for.
TEST(Initialise, VeryDeepUntrainedNetworksStayFinite) {
  const Architecture& pre = *find_architecture("preresnet1001_cifar");
  EXPECT_GT(largest_score(pre, {.residual_scale = "one"}), 1e30);
  for (const char* name : {"preresnet1001_cifar", "resnet1202_cifar", "resnet1202_stochastic_cifar"}) {
    const double largest = largest_score(*find_architecture(name), {});
    EXPECT_LT(largest, 100) << name;
    EXPECT_GT(largest, 1e-3) << name;
  }
}

}  // namespace
}  // namespace fovea
