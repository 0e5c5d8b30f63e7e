// Losses against PyTorch in double, value and gradient (tests/golden/losses/make.py), and where they come from in a
// network.
#include "fovea/train/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/compile/program.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/softmax.h"
#include "fovea/train/optimiser.h"
#include "fovea/transform/gradient.h"
#include "tests/formula.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

// The formula of the script, in [-1, 1).
Tensor formula(const std::string& name, const Shape& shape, double scale) {
  const Formula u(name);
  Tensor t(DType::f64, shape);
  for (int64_t i = 0; i < t.count(); ++i) { t.set(i, (u(i) * 2 - 1) * scale); }
  return t;
}

// The mean loss, then its gradient with respect to the logits.
std::vector<double> loss_and_gradient(const Tensor& logits, const Tensor& labels, const LossSettings& settings) {
  Graph g;
  const Value z = input(g, "z", {logits.dtype(), logits.shape()}), y = input(g, "y", {DType::i64, labels.shape()});
  const Value loss = classification_loss(g, z, y, settings);
  EXPECT_EQ(g.type(loss), (Type{logits.dtype(), {}}));
  const Value wants[] = {loss, gradient(g, loss, std::vector<Value>{z})[0]};
  verify(g);
  const auto values = evaluate(g, {{"z", logits}, {"y", labels}}, wants);
  std::vector<double> all = {values[0].at(0)};
  for (const double d : values[1].to_doubles()) all.push_back(d);
  return all;
}

LossSettings named(const std::string& name) {
  if (name == "smoothed_0.1") return {.label_smoothing = 0.1};
  if (name == "smoothed_1") return {.label_smoothing = 1};
  if (name == "weston_watkins_margin") return {.kind = "weston_watkins", .margin = 2.5};
  if (name == "weston_watkins_squared") return {.kind = "weston_watkins", .margin = 1.5, .power = 2};
  if (name == "crammer_singer_squared") return {.kind = "crammer_singer", .margin = 2, .power = 2};
  return {.kind = name};
}

// "partial" leaves two samples out: the script removes them, here they bear labels that are none.
Tensor labels_of(const std::string& form) {
  return form == "partial" ? Tensor::ints({3, -1, 4, 4, 5, 2}) : Tensor::ints({3, 0, 4, 4, 1, 2});
}

TEST(Losses, ValuesAndGradientsArePyTorchs) {
  std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/losses/losses.txt");
  int lines = 0;
  for (std::string text; std::getline(in, text); ++lines) {
    std::istringstream line(text);
    std::string name, form;
    line >> name >> form;
    const Tensor logits = formula("logits", {6, 5}, form == "wide" ? 400 : 4);
    const auto got = loss_and_gradient(logits, labels_of(form), named(name));
    ASSERT_EQ(got.size(), 31u);
    for (const double g : got) {
      double want = 0;
      ASSERT_TRUE(line >> want) << name << " " << form;
      EXPECT_NEAR(g, want, 1e-9 * std::max(1.0, std::abs(want))) << name << " " << form;
    }
  }
  EXPECT_EQ(lines, 30);
}

// In f32, with the largest logits that a diverging network may show: no infinity, no NaN.
TEST(Losses, StayFiniteForLargeLogits) {
  const Tensor logits = Tensor::of<float>({2, 3}, {1e4f, -1e4f, 0, -1e4f, 1e4f, 1e4f});
  for (const std::string& kind : loss_kinds())
    for (const double x : loss_and_gradient(logits, Tensor::ints({1, 0}), {.kind = kind}))
      EXPECT_TRUE(std::isfinite(x)) << kind;
  const auto sure = loss_and_gradient(logits, Tensor::ints({0, 1}), {.kind = "logistic"});
  EXPECT_NEAR(sure[0], (std::log(2.0) + 1e4) / 2, 1e-3 * 1e4);  // z = 0 and z = 1e4 of a wrong class
}

TEST(Losses, ASampleWithoutLabelHasNoPart) {
  const Tensor logits = formula("logits", {3, 4}, 2);
  for (const std::string& kind : loss_kinds()) {
    for (const double x : loss_and_gradient(logits, Tensor::ints({-1, 4, -3}), {.kind = kind})) EXPECT_EQ(x, 0) << kind;
    const auto one = loss_and_gradient(logits, Tensor::ints({-1, 2, 4}), {.kind = kind});
    for (size_t i = 1; i < one.size(); ++i)
      if (i < 5 || i > 8) EXPECT_EQ(one[i], 0) << kind << " " << i;
  }
}

double counted(const Tensor& logits, const Tensor& labels, int64_t k, bool share) {
  Graph g;
  const Value z = input(g, "z", {logits.dtype(), logits.shape()}), y = input(g, "y", {DType::i64, labels.shape()});
  const Value wants[] = {share ? accuracy(g, z, y, k) : error_count(g, z, y, k)};
  return evaluate(g, {{"z", logits}, {"y", labels}}, wants)[0].at(0);
}

TEST(Losses, ErrorsAreCountedAsArgMaxSays) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  const Tensor logits = Tensor::of<float>({6, 3}, {1, 2, 3,      // 2, 1, 0
                                                   5, 5, 0,      // a tie: the first wins
                                                   -kInf, 0, 1,  // an infinity elsewhere does no harm
                                                   kNan, 1, 9,   // never right
                                                   7, 7, 7,      //
                                                   0, 1, 2});
  const auto errors = [&](const std::vector<int64_t>& labels, int64_t k) {
    return counted(logits, Tensor::ints(labels), k, false);
  };
  EXPECT_EQ(errors({2, 0, 2, 2, 0, 2}, 1), 1);  // the NaN
  EXPECT_EQ(errors({2, 1, 2, 0, 1, 2}, 1), 3);
  EXPECT_EQ(errors({1, 1, 1, 2, 2, 0}, 1), 6);
  EXPECT_EQ(errors({1, 1, 1, 2, 2, 0}, 2),
            2);  // of the three sevens the last; and 0 of 0 1 2. The NaN is passed by one
  EXPECT_EQ(errors({-1, 3, 2, -1, 9, 2}, 1), 0);
  EXPECT_EQ(errors({0, 0, 0, 0, 0, 0}, 5), 1);  // the NaN itself
  EXPECT_DOUBLE_EQ(counted(logits, Tensor::ints({2, 1, 2, -1, 1, 2}), 1, true), static_cast<float>(3.0 / 5));
  EXPECT_EQ(counted(logits, Tensor::ints({-1, -1, -1, -1, -1, -1}), 1, true), 0);
}

TEST(Losses, RefusesWhatDoesNotFit) {
  Graph g;
  const Value z = input(g, "z", {DType::f32, {4, 3}}), y = input(g, "y", {DType::i64, {4}});
  const Value few = input(g, "few", {DType::i64, {3}}), real = input(g, "real", {DType::f32, {4}});
  const Value picture = input(g, "picture", {DType::f32, {4, 3, 2, 2}});
  const auto message = [&](Value logits, Value labels, const LossSettings& settings) {
    return message_of([&] { classification_loss(g, logits, labels, settings); });
  };
  EXPECT_EQ(message(z, y, {.kind = "cross_entropi"}),
            "there is no loss \"cross_entropi\"; did you mean \"cross_entropy\"?");
  EXPECT_EQ(message(z, few, {}), "labels are i64[3], expected i64[4]: one a row of f32[4x3]");
  EXPECT_EQ(message(z, real, {}), "labels are f32[4], expected class numbers i64[4]");
  EXPECT_EQ(message(picture, y, {}), "logits are f32[4x3x2x2], expected N,C");
  EXPECT_NE(message(z, y, {.label_smoothing = 1.5}), "nothing was thrown");
  EXPECT_NE(message(z, y, {.label_smoothing = std::nan("")}), "nothing was thrown");
  EXPECT_NE(message(z, y, {.kind = "squared", .label_smoothing = 0.1}), "nothing was thrown");
  EXPECT_NE(message(z, y, {.margin = 0}), "nothing was thrown");
  EXPECT_NE(message(z, y, {.power = 3}), "nothing was thrown");
  EXPECT_NE(message_of([&] { error_count(g, z, y, 0); }), "nothing was thrown");
  EXPECT_NE(message_of([&] { logits_of(g, picture); }).find("one number a class"), std::string::npos);
}

TEST(Losses, LogitsLieBehindASoftmax) {
  Graph g;
  const Value z = input(g, "z", {DType::f32, {2, 3}}), wide = input(g, "wide", {DType::f32, {2, 3, 1, 1}});
  EXPECT_EQ(logits_of(g, z), z);
  EXPECT_EQ(logits_of(g, softmax(g, z)), z);
  EXPECT_EQ(logits_of(g, log_softmax(g, z, {.axis = 1})), z);
  EXPECT_EQ(logits_of(g, sigmoid(g, z)), z);
  const Value inner = softmax(g, z);
  EXPECT_EQ(logits_of(g, softmax(g, inner)), inner);  // one softmax is the network's end, another its own affair
  const Value over_samples = softmax(g, z, {.axis = 0});
  EXPECT_EQ(logits_of(g, over_samples), over_samples);
  const Value prob = reshape(g, softmax(g, wide, {.axis = 1}), Shape{2, 3}), logits = logits_of(g, prob);
  EXPECT_EQ(g.shape(logits), (Shape{2, 3}));
  EXPECT_EQ(g.node(logits).inputs[0], wide);
  const Value of_nothing = softmax(g, wide, {.axis = 3});  // over an axis of one: all ones
  EXPECT_EQ(g.node(logits_of(g, of_nothing)).inputs[0], of_nothing);
}

// GoogLeNet as published: three classifiers that end in softmax, weights 1, 0.3 and 0.3.
TEST(Losses, AuxiliaryClassifiersWeighTheirShare) {
  for (const char* name : {"googlenet_bvlc", "googlenet"}) {
    Graph g = build(*find_architecture(name), {.classes = 4, .batch = 2, .heads = true}).graph;
    const Value labels = input(g, "labels", {DType::i64, {2}});
    const auto heads = auxiliary_heads(g);
    ASSERT_EQ(heads.size(), 2u);
    const NetworkLoss loss = network_loss(g, "scores", labels, {}, heads);
    verify(g);
    const std::string_view last = g.node(loss.logits).name;
    EXPECT_EQ(last, std::string_view(name) == "googlenet" ? "fc" : "loss3/classifier");
    // Evaluated from the logits on: what the network computes is another test's.
    Graph tail;
    std::vector<Value> logits;
    for (const char* output : {"scores", "aux1", "aux2"}) {
      logits.push_back(input(tail, std::string(output) + " logits", {DType::f64, {2, 4}}));
      tail.outputs.push_back({output, softmax(tail, logits.back())});
    }
    const Value y = input(tail, "labels", {DType::i64, {2}});
    const NetworkLoss parts = network_loss(tail, "scores", y, {}, heads);
    EXPECT_EQ(parts.heads.at(1).name, "aux2");
    const Value wants[] = {parts.total, parts.main, parts.heads[0].value, parts.heads[1].value};
    std::map<std::string, Tensor> feeds = {{"labels", Tensor::ints({3, 1})}};
    for (const char* output : {"scores", "aux1", "aux2"})
      feeds[std::string(output) + " logits"] = formula(output, {2, 4}, 3);
    const auto v = evaluate(tail, feeds, wants);
    EXPECT_NEAR(v[0].at(0), v[1].at(0) + 0.3 * v[2].at(0) + 0.3 * v[3].at(0), 1e-12);
    const auto alone = loss_and_gradient(formula("aux1", {2, 4}, 3), Tensor::ints({3, 1}), {});
    EXPECT_NEAR(v[2].at(0), alone[0], 1e-12);
  }
}

// Three clouds in the plane, a linear classifier in f32 on the CPU backend: every loss separates them, and the sum that
// is descended, the errors and the accuracy agree with the reference backend's at the end.
TEST(Losses, EachTrainsAClassifier) {
  constexpr int64_t kSamples = 30;
  Tensor x(DType::f32, {kSamples, 2}), y(DType::i64, {kSamples});
  for (int64_t i = 0; i < kSamples; ++i) {
    const double angle = static_cast<double>(i % 3) * 2.0944, noise = static_cast<double>(i / 3) / 10 - 0.45;
    x.set(2 * i, std::cos(angle) + 0.6 * noise);
    x.set(2 * i + 1, std::sin(angle) - 0.5 * noise);
    y.set(i, static_cast<double>(i % 3));
  }
  const auto backend = cpu_backend({.exact = true});
  for (const std::string& kind : loss_kinds()) {
    Graph g;
    const Value in = input(g, "x", {DType::f32, x.shape()}), labels = input(g, "y", {DType::i64, y.shape()});
    const std::vector<Value> w = {parameter(g, "w", {DType::f32, {2, 3}}), parameter(g, "b", {DType::f32, {3}})};
    const Value scores = gemm(g, in, w[0], w[1]);
    g.outputs.push_back({"scores", softmax(g, scores)});
    const NetworkLoss loss = network_loss(g, "scores", labels, {.kind = kind}, {});
    const std::vector<Value> wants = {loss.total, error_count(g, loss.logits, labels),
                                      accuracy(g, loss.logits, labels)};
    CompileOptions options;
    options.tune = false;
    options.carry = optimise(g, w, gradient(g, loss.total, w), {.momentum = 0.9});
    const Weights start = {{"w", Tensor::full(DType::f32, {2, 3}, 0)}, {"b", Tensor::full(DType::f32, {3}, 0)}};
    Program program = compile(g, wants, start, *backend, options);
    std::map<std::string, Tensor> feeds = {{"x", x}, {"y", y}, {"rate", Tensor::scalar(0.1f)}};
    const double before = program.run(feeds)[0].at(0);
    for (int step = 0; step < 100; ++step) program.run(feeds);
    feeds["w"] = program.state("w"), feeds["b"] = program.state("b");
    const std::vector<Tensor> want = evaluate(g, feeds, wants);
    feeds.erase("w"), feeds.erase("b");
    const std::vector<Tensor> got = program.run(feeds);
    EXPECT_EQ(got[1].at(0), 0) << kind;
    EXPECT_EQ(got[2].at(0), 1) << kind;
    EXPECT_LT(got[0].at(0), 0.7 * before) << kind;
    for (size_t i = 0; i < wants.size(); ++i) EXPECT_NEAR(got[i].at(0), want[i].at(0), 1e-6 * (1 + before)) << kind;
  }
}

TEST(Losses, UnknownOutputsAreNamed) {
  Graph g = build(*find_architecture("lenet5"), {}).graph;
  const Value labels = input(g, "labels", {DType::i64, {1}}), two = input(g, "two", {DType::i64, {2}});
  EXPECT_TRUE(auxiliary_heads(g).empty());
  EXPECT_EQ(message_of([&] { network_loss(g, "score", labels, {}, {}); }),
            "the network has no output \"score\"; did you mean \"scores\"?");
  EXPECT_NE(message_of([&] { network_loss(g, "scores", labels, {}, {{"aux1", 0.3}}); }), "nothing was thrown");
  EXPECT_NE(message_of([&] { network_loss(g, "scores", labels, {}, {{"scores", -1}}); }), "nothing was thrown");
  EXPECT_EQ(message_of([&] { network_loss(g, "scores", two, {}, {}); }).rfind("output \"scores\": ", 0), 0u);
}

}  // namespace
}  // namespace fovea
