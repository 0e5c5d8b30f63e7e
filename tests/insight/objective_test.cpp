// Objectives: what they compute on a network small enough to do it by hand, what they are called, and what is said of
// wrong ones.
#include "fovea/insight/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/insight/class_scores.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/softmax.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// x [1,3,4,6] → conv1 → relu1 [1,4,4,6] → mean → fc [1,4] → softmax; "both" holds relu1 twice.
Model small() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 3, 4, 6}});
  const Value w = parameter(g, "w", {DType::f32, {4, 3, 1, 1}}), b = parameter(g, "b", {DType::f32, {4}});
  const Value c = g.add(ops::conv, {x, w, b}, ConvAttributes{}, "conv1");
  const Value r = g.add(ops::relu, {c}, {}, "relu1");
  g.add(ops::concat, {r, r}, ConcatAttributes{1}, "both");
  const Value mean = g.add(ops::reduce, {r}, ReduceAttributes{"mean", {2, 3}, false}, "mean");
  g.outputs = {{"scores", g.add(ops::softmax, {mean}, SoftmaxAttributes{}, "prob")}};
  const Formula u("objective weights");
  model.weights["w"] = Tensor(DType::f32, {4, 3, 1, 1});
  for (int64_t i = 0; i < 12; ++i) model.weights["w"].set(i, 2 * u(i) - 1);
  model.weights["b"] = Tensor::of<float>({4}, {0.1f, -500, 0.2f, 0});  // unit 1 never fires
  model.meaning.input = "x";
  model.meaning.scores = "scores";
  model.meaning.preprocess = preset("unit", 4, 6);
  model.meaning.classes = {"goose", "black swan, Cygnus atratus", "black stork", "tench, Tinca tinca"};
  return model;
}

// The objective's values for two pictures, the layers taken from the network's answers to them.
std::vector<double> values(const PictureObjective& objective) {
  const Model model = small();
  Graph g;
  const Formula u("objective pictures");
  Tensor levels(DType::f32, {2, 3, 4, 6});
  for (int64_t i = 0; i < levels.count(); ++i) levels.set(i, 200 * u(i) - 100);
  const Value in = input(g, "levels", {DType::f32, levels.shape()});
  const Value c = conv(g, in, constant(g, model.weights.at("w")), constant(g, model.weights.at("b")));
  const Value r = relu(g, c);
  const std::map<std::string, Value> layers = {{"conv1", c},
                                               {"relu1", r},
                                               {"both", concat(g, {r, r}, 1)},
                                               {"mean", reduce(g, r, {.kind = "mean", .axes = {2, 3}})}};
  const Value wants[] = {objective(g, {[&](const std::string& node) { return layers.at(node); }, in})};
  EXPECT_EQ(g.shape(wants[0]), Shape({2}));
  return evaluate(g, {{"levels", levels}}, wants)[0].to_doubles();
}

// conv1's answer before (or after) the ReLU for picture n.
double answer(int64_t n, int64_t unit, int64_t y, int64_t x, bool rectified) {
  const Model model = small();
  const Formula u("objective pictures");
  double sum = model.weights.at("b").at(unit);
  for (int64_t c = 0; c < 3; ++c)
    sum += model.weights.at("w").at(unit * 3 + c) * (200 * u(((n * 3 + c) * 4 + y) * 6 + x) - 100);
  return rectified ? std::max(0.0, sum) : sum;
}

double mean_answer(int64_t n, int64_t unit, bool rectified = true) {
  double sum = 0;
  for (int64_t y = 0; y < 4; ++y)
    for (int64_t x = 0; x < 6; ++x) sum += answer(n, unit, y, x, rectified) / 24;
  return sum;
}

void expect_values(const std::string& text, const std::function<double(int64_t)>& want) {
  const std::vector<double> got = values(parse_objective(small(), text));
  for (int64_t n = 0; n < 2; ++n)
    EXPECT_NEAR(got[static_cast<size_t>(n)], want(n), 1e-4 * std::max(1.0, std::abs(want(n)))) << text << " " << n;
}

TEST(Objective, ComputesWhatItSays) {
  expect_values("channel(relu1, 2)", [](int64_t n) { return mean_answer(n, 2); });
  expect_values("relu1:3", [](int64_t n) { return mean_answer(n, 3); });
  expect_values("neuron(conv1, 0, 1, 5)", [](int64_t n) { return answer(n, 0, 1, 5, false); });
  expect_values("neuron(conv1, 0)", [](int64_t n) { return answer(n, 0, 2, 3, false); });
  expect_values("2 * channel(conv1, 0) - 0.5*(neuron(conv1, 3) + 1)",
                [](int64_t n) { return 2 * mean_answer(n, 0, false) - 0.5 * (answer(n, 3, 2, 3, false) + 1); });
  expect_values("-channel(conv1, 0) * channel(conv1, 2)",
                [](int64_t n) { return -mean_answer(n, 0, false) * mean_answer(n, 2, false); });
  expect_values("direction(conv1, 0:3, 2:-4)",
                [](int64_t n) { return 0.6 * mean_answer(n, 0, false) - 0.8 * mean_answer(n, 2, false); });
  expect_values("interpolation(conv1:0, conv1:2)",
                [](int64_t n) { return n == 0 ? mean_answer(0, 0, false) : mean_answer(1, 2, false); });
  expect_values("class(goose)", [](int64_t n) { return mean_answer(n, 0); });
  expect_values("layer(relu1)", [](int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < 96; ++k) sum += std::pow(answer(n, k / 24, k / 6 % 4, k % 6, true), 2) / 96;
    return sum;
  });
}

// A unit that is silent everywhere answers with what it would say before the ReLU, so that there is a way out.
TEST(Objective, SilentUnitsShowTheWayOut) {
  for (const char* text : {"channel(relu1, 1)", "channel(both, 5)", "class(black swan)"})
    expect_values(text, [](int64_t n) { return mean_answer(n, 1, false); });
}

// Gram matrices of two pictures: minus their cosine, the same for both.
TEST(Objective, DiversityIsMinusTheCosineOfGramMatrices) {
  std::vector<double> gram[2];
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t a = 0; a < 4; ++a)
      for (int64_t b = 0; b < 4; ++b) {
        double sum = 0;
        for (int64_t p = 0; p < 24; ++p) sum += answer(n, a, p / 6, p % 6, false) * answer(n, b, p / 6, p % 6, false);
        gram[n].push_back(sum);
      }
  double dot = 0, first = 0, second = 0;
  for (size_t i = 0; i < 16; ++i) {
    dot += gram[0][i] * gram[1][i];
    first += gram[0][i] * gram[0][i];
    second += gram[1][i] * gram[1][i];
  }
  expect_values("diversity(conv1)", [&](int64_t) { return -dot / std::sqrt(first * second); });
}

TEST(Objective, PenaltiesAreForPicturesFromZeroToOne) {
  const Formula u("objective pictures");
  expect_values("l2()", [&](int64_t n) {
    double sum = 1e-6;
    for (int64_t i = n * 72; i < (n + 1) * 72; ++i) sum += std::pow((200 * u(i) - 100) / 255, 2);
    return std::sqrt(sum);
  });
  expect_values("alpha_norm(4, mean)", [&](int64_t n) {
    double sum = 0;
    for (int64_t i = n * 72; i < (n + 1) * 72; ++i) sum += std::pow((200 * u(i) - 100) / 255, 4) / 24;
    return sum;
  });
}

TEST(Objective, DescribesItself) {
  const Model model = small();
  for (const char* text :
       {"channel(relu1, 2)", "neuron(conv1, 0, 1, 5)", "2 * channel(conv1, 0) - 0.5 * (conv1:1 + tv(2, mean))",
        "direction(conv1, 0:3, 2:-4)", "class(black swan) + diversity(relu1)", "alpha_norm(6, pixel) * l2()",
        "interpolation(relu1:0, relu1:1) - 1", "-layer(relu1)"}) {
    const std::string once = parse_objective(model, text).description();
    EXPECT_EQ(parse_objective(model, once).description(), once) << text;
    EXPECT_NE(once, "");
  }
  EXPECT_EQ(parse_objective(model, " conv1:0 -  2*relu1:1").description(), "channel(conv1, 0) - 2 * channel(relu1, 1)");
}

std::string message_of(const std::string& text) {
  try {
    parse_objective(small(), text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage) << text;
    return e.message();
  }
  return "nothing was thrown";
}

TEST(Objective, WrongOnesAreNamed) {
  const std::pair<const char*, const char*> wrong[] = {
      {"channel(relu2, 0)", "character 9: there is no layer \"relu2\"; did you mean \"relu1\"?"},
      {"channel(relu1, 4)", "layer \"relu1\" has no unit 4: its 4 units are 0 to 3"},
      {"relu1:0 - chanel(relu1, 1)", "diversity, interpolation; did you mean \"channel\"?"},
      {"channel(relu1)", "channel takes a layer and a unit"},
      {"channel(relu1, one)", "\"one\" is no unit"},
      {"neuron(conv1, 0, 9, 9)", "has no position 9, 9: its maps are 4x6"},
      {"neuron(conv1, 0, 1)", "both Y and X"},
      {"channel(relu1, 0", "expected )"},
      {"(relu1:0", "expected )"},
      {"relu1:0 +", "expected an objective"},
      {"relu1:0 relu1:1", "character 9: \"relu1:1\" is not expected here"},
      {"relu1", "is no objective"},
      {"", "expected an objective"},
      {"tv(2, meen)",
       "there is no form \"meen\"; known: sum, mean, half, anisotropic, interior; did you mean \"mean\"?"},
      {"tv(two)", "\"two\" is no exponent"},
      {"class(black)", "may be any of 2 classes: 1 (black swan, Cygnus atratus), 2 (black stork)"},
      {"class(guse)", "there is no class \"guse\"; did you mean \"goose\"?"},
      {"class(9)", "there is no class 9: the network has classes 0 to 3"},
      {"direction(conv1, 0)", "expected UNIT:WEIGHT"},
      {"direction(conv1, 0:0)", "no weight other than 0"},
      {"1e999 * relu1:0", "expected a number"},
      {"channel(w, 0)", "there is no layer \"w\""},
  };
  for (const auto& [text, part] : wrong)
    EXPECT_NE(message_of(text).find(part), std::string::npos) << text << " gave: " << message_of(text);
  EXPECT_NE(message_of(std::string(10000, '(')).find("nested more than"), std::string::npos);
  EXPECT_NE(message_of(std::string(10000, '-')).find("nested more than"), std::string::npos);
}

TEST(Objective, ClassesByAnyOfTheirNames) {
  const Model model = small();
  EXPECT_EQ(find_class(model, "goose"), 0);
  EXPECT_EQ(find_class(model, "Black Swan"), 1);
  EXPECT_EQ(find_class(model, "cygnus"), 1);
  EXPECT_EQ(find_class(model, "tinca tinca"), 3);
  EXPECT_EQ(find_class(model, "tench, Tinca tinca"), 3);
  EXPECT_EQ(find_class(model, "2"), 2);
  Model unnamed = small();
  unnamed.meaning.classes.clear();
  EXPECT_EQ(find_class(unnamed, "2"), 2);
  EXPECT_THROW(find_class(unnamed, "goose"), Error);
}

}  // namespace
}  // namespace fovea
