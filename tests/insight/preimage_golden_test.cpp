// Inversion and maximisation against PyTorch's numbers (tests/golden/preimage/make.py): objectives, penalties,
// parametrisations, and five steps of each update rule.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/compile/program.h"
#include "fovea/insight/image_prior.h"
#include "fovea/insight/inversion.h"
#include "fovea/insight/objective.h"
#include "fovea/insight/preimage.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"
#include "fovea/transform/gradient.h"
#include "tests/golden_text.h"

namespace fovea {
namespace {

constexpr int64_t kPictures = 2, kHeight = 10, kWidth = 12;

// Numbers as they are written, in double.
const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> all = golden_text("preimage", DType::f64);
  return all;
}

Tensor in_f32(const std::string& name) { return golden().at(name).cast(DType::f32); }

// From conv1 to the class scores, for weights of a type.
Value network(Graph& g, Value x, DType dtype) {
  const auto weight = [&](const std::string& name) { return parameter(g, name, {dtype, golden().at(name).shape()}); };
  Value y = relu(g, conv(g, x, weight("conv1.weight"), weight("conv1.bias"), {.pad = 1}));
  y = max_pool(g, y, {.kernel = {2, 2}, .stride = 2});
  y = conv(g, y, weight("conv2.weight"), weight("conv2.bias"));
  g.rename(y.node, "conv2");
  y = flatten(g, global_average_pool(g, relu(g, y)));
  y = gemm(g, y, weight("fc.weight"), weight("fc.bias"), {.trans_b = true});
  g.rename(y.node, "fc");
  return y;
}

Model golden_model() {
  Model model;
  const Value x = input(model.graph, "input", {DType::f32, {1, 3, kHeight, kWidth}});
  model.graph.outputs = {{"scores", network(model.graph, x, DType::f32)}};
  for (const char* name : {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"})
    model.weights[name] = in_f32(name);
  model.meaning.input = "input";
  model.meaning.scores = "scores";
  Preprocess how;
  how.mean = {0.48, 0.45, 0.4};
  how.std = {0.23, 0.22, 0.24};
  how.crop_height = kHeight, how.crop_width = kWidth;
  model.meaning.preprocess = how;
  return model;
}

double relative_distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(to_string(a.shape()), to_string(b.shape()));
  double d = 0, s = 0;
  for (int64_t i = 0; i < std::min(a.count(), b.count()); ++i) {
    d += std::pow(a.at(i) - b.at(i), 2);
    s += std::pow(b.at(i), 2);
  }
  EXPECT_GT(s, 0);
  return std::sqrt(d / s);
}

PreimageSettings pixels() {
  PreimageSettings settings;
  settings.parametrisation = {.kind = "pixels", .bounds = "none"};
  return settings;
}

PictureObjective inversion() {
  return 300 * reconstruction({"conv2", "conv2", false}) -
         4 * total_variation(TotalVariation{.beta = 2, .form = "mean"}) -
         0.5 * alpha_norm(AlphaNorm{.alpha = 6, .form = "pixel"});
}

class PreimageGolden : public testing::Test {
 protected:
  // Values and their gradient with respect to the parameters, on a backend.
  void expect_slope(const std::string& name, const PictureObjective& objective, const std::string& at,
                    PreimageSettings settings, const View& view = {}) {
    const Preimage preimage(model_, objective, {}, settings, kPictures);
    const PreimageGraph& built = preimage.built();
    Graph graph = built.graph;
    const Value loss = reduce(graph, built.values);
    const Value d = gradient(graph, loss, std::vector<Value>{built.made.parameter})[0];
    std::map<std::string, Tensor> feeds =
        view_feeds(graph.shape(built.made.levels), kHeight, kWidth, settings.robust, view);
    feeds[kParameter] = in_f32(at);
    if (graph.find(kCode) >= 0) feeds[kCode] = in_f32("target");
    for (Backend* backend : {&reference_backend(), own_.get()}) {
      const std::vector<Tensor> found =
          compile(graph, std::vector<Value>{built.values, d}, model_.weights, *backend).run(feeds);
      EXPECT_LT(relative_distance(found[0], golden().at(name)), 1e-4) << name;
      EXPECT_LT(relative_distance(found[1], golden().at(name + "-gradient")), 1e-3) << name;
    }
  }

  void expect_steps(const std::string& name, PreimageSettings settings) {
    for (Backend* backend : {&reference_backend(), own_.get()}) {
      Preimage preimage(model_, inversion(), {}, settings, kPictures);
      preimage.prepare(*backend, {});
      const Preimages made = preimage.run_from({}, in_f32("start"), Rng(1), {{kCode, in_f32("target")}});
      EXPECT_LT(relative_distance(made.levels, golden().at(name)), 1e-3) << name;
      // The start is no answer: what the steps did counts.
      double moved = 0, wrong = 0;
      for (int64_t i = 0; i < made.levels.count(); ++i) {
        moved += std::pow(golden().at(name).at(i) - golden().at("start").at(i), 2);
        wrong += std::pow(made.levels.at(i) - golden().at(name).at(i), 2);
      }
      EXPECT_LT(std::sqrt(wrong / moved), 1e-3) << name;
    }
  }

  const Model model_ = golden_model();
  const std::unique_ptr<Backend> own_ = cpu_backend({});
};

TEST_F(PreimageGolden, InversionThroughAShiftedView) {
  PreimageSettings settings = pixels();
  settings.robust.jitter = 1;
  settings.margin = 1;
  const View view{.shift_y = 1, .shift_x = -1};
  expect_slope("reconstruction", reconstruction({"conv2", "conv2", false}), "wide", settings, view);
  expect_slope("inversion", inversion(), "wide", settings, view);
}

TEST_F(PreimageGolden, Objectives) {
  const UnitLayer layer = unit_layer(model_, "conv2");
  expect_slope("channel", channel(layer, 3), "start", pixels());
  expect_slope("neuron", neuron(layer, 2), "start", pixels());
  expect_slope("class", class_score(model_, 4), "start", pixels());
}

// What is optimised is Σ random · levels: every part of the parametrisation's derivative.
TEST_F(PreimageGolden, Parametrisations) {
  const Preprocess& how = *model_.meaning.preprocess;
  const auto expect = [&](const std::string& name, const ParametrisationSettings& settings, const std::string& at) {
    Graph graph;
    const Parametrised made = parametrise(graph, settings, {kPictures, 3, kHeight, kWidth}, how);
    const Value sum = reduce(graph, mul(graph, made.levels, constant(graph, in_f32("random"))));
    const Value d = gradient(graph, sum, std::vector<Value>{made.parameter})[0];
    const std::vector<Tensor> found =
        compile(graph, std::vector<Value>{made.levels, d}, {}, *own_).run({{kParameter, in_f32(at)}});
    EXPECT_LT(relative_distance(found[0], golden().at(name)), 1e-5) << name;
    EXPECT_LT(relative_distance(found[1], golden().at(name + "-gradient")), 1e-5) << name;
  };
  expect("fourier", {.kind = "fourier"}, "amplitudes");
  expect("sigmoid", {.kind = "pixels", .bounds = "sigmoid"}, "start");
}

// In double, by the operators' definitions.
TEST_F(PreimageGolden, PenaltiesAndReconstructionInDouble) {
  const auto expect = [&](const std::string& name, const std::string& at, auto&& build) {
    Graph graph;
    const Value x = input(graph, "x", {DType::f64, golden().at(at).shape()});
    const Value values = build(graph, x);
    const Value d = gradient(graph, reduce(graph, values), std::vector<Value>{x})[0];
    std::map<std::string, Tensor> feeds = golden();
    feeds["x"] = golden().at(at);
    if (graph.find(kCode) >= 0) feeds[kCode] = golden().at("target");
    std::erase_if(feeds, [&](const auto& feed) { return graph.find(feed.first) < 0; });
    const std::vector<Tensor> found = evaluate(graph, feeds, std::vector<Value>{values, d});
    EXPECT_LT(relative_distance(found[0], golden().at(name)), 1e-6) << name;
    EXPECT_LT(relative_distance(found[1], golden().at(name + "-gradient")), 1e-6) << name;
  };
  for (const TotalVariation& form : {TotalVariation{2, "sum"}, TotalVariation{2, "mean"}, TotalVariation{2, "half"},
                                     TotalVariation{1, "anisotropic"}, TotalVariation{2, "interior"},
                                     TotalVariation{1.5, "mean"}, TotalVariation{3, "sum"}})
    expect(fmt::format("tv-{:g}-{}", form.beta, form.form), "start",
           [&](Graph& g, Value x) { return total_variation(g, scale(g, x, 1.0 / 255), form); });
  for (const AlphaNorm& form :
       {AlphaNorm{6, "sum"}, AlphaNorm{6, "mean"}, AlphaNorm{6, "pixel"}, AlphaNorm{2.5, "pixel"}})
    expect(fmt::format("alpha-{:g}-{}", form.alpha, form.form), "start",
           [&](Graph& g, Value x) { return alpha_norm(g, scale(g, x, 1.0 / 255), form); });
  Tensor deviation(DType::f64, {1, 3, 1, 1});
  for (int64_t c = 0; c < 3; ++c) deviation.set(c, 1 / (255 * model_.meaning.preprocess->std[static_cast<size_t>(c)]));
  const auto seen = [&](Graph& g, Value levels) {
    network(g, mul(g, levels, constant(g, deviation)), DType::f64);
    return Value{g.find("conv2"), 0};
  };
  expect("channel", "start", [&](Graph& g, Value x) {
    const Value code = seen(g, x);
    const UnitLayer layer{"conv2", 8, 3, 4};
    return channel(layer, 3)(g, {[&](const std::string&) { return code; }, x});
  });
  expect("reconstruction", "wide", [&](Graph& g, Value x) {
    const Value middle = slice(g, slice(g, x, 2, 2, 2 + kHeight), 3, 0, kWidth);  // a shift of (1, -1) from the margin
    const Value code = seen(g, middle);
    return reconstruction({"conv2", "conv2", false})(g, {[&](const std::string&) { return code; }, x});
  });
}

TEST_F(PreimageGolden, FiveStepsOfEachRule) {
  PreimageSettings settings = pixels();
  const auto with = [&](const std::string& update, double rate, double bound) {
    settings.update = update;
    settings.stages = {{5, rate}};
    settings.bound = bound;
    return settings;
  };
  expect_steps("momentum", with("momentum", 2, 0));
  expect_steps("momentum-bound", with("momentum", 2, 60));
  expect_steps("adaptive", with("adaptive", 40, 0));
  expect_steps("adaptive-bound", with("adaptive", 40, 60));
  expect_steps("adam", with("adam", 3, 0));
  settings = with("momentum", 2, 0);
  settings.stages = {{2, 2}, {3, 1}};
  expect_steps("stages", settings);
  settings = with("adaptive", 40, 0);
  settings.stages = {{2, 40}, {3, 20}};
  expect_steps("adaptive-stages", settings);
}

}  // namespace
}  // namespace fovea
