// Inversion of the built-in network's layers, and the numbers of the presets.
#include "fovea/insight/inversion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/formats/builtin.h"
#include "fovea/image/draw.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"

namespace fovea {
namespace {

Model cifar() {
  Model model = builtin_model("builtin:cifar10");
  complete_meaning(model);
  return model;
}

std::vector<Inverted> inverted(const Model& model, const std::string& layer, const InversionSettings& settings,
                               const Image& picture) {
  const auto backend = cpu_backend({});
  CompileOptions options;
  options.tune = false;
  return Inversion(model, code_layer(model, layer), settings)({}, picture, *backend, options);
}

// The gate: a first-layer code holds nearly the whole picture.
TEST(Inversion, AFirstLayersCodeGivesThePictureBack) {
  const Model model = cifar();
  for (const char* thing : {"ship", "automobile"}) {
    const Image picture = draw_scene(thing, 32, Rng(11));
    for (const char* layer : {"conv1", "conv1.relu"}) {
      const std::vector<Inverted> got = inverted(model, layer, {.preset = "lbfgs", .starts = 2}, picture);
      ASSERT_EQ(got.size(), 2u);
      for (const Inverted& one : got) {
        EXPECT_GE(one.psnr, 25) << thing << " " << layer;
        EXPECT_LE(one.error, 0.1) << thing << " " << layer;
        EXPECT_NEAR(one.psnr, psnr(one.image, picture), 1e-9);
      }
    }
  }
}

TEST(Inversion, TheLossNeverRisesUnderLbfgs) {
  const Model model = cifar();
  const Image picture = draw_scene("airplane", 32, Rng(2));
  for (const char* layer : {"conv3.relu", "log-probabilities"}) {
    const Inverted got = inverted(model, layer, {.preset = "lbfgs", .steps = 60}, picture)[0];
    ASSERT_GE(got.loss.size(), 30u);
    for (size_t i = 1; i < got.loss.size(); ++i) EXPECT_LE(got.loss[i], got.loss[i - 1]) << layer << " step " << i;
    EXPECT_LT(got.loss.back(), 0.2 * got.loss.front()) << layer;
  }
}

TEST(Inversion, EveryPresetComesNearTheCode) {
  const Model model = cifar();
  const Image picture = draw_scene("ship", 32, Rng(3));
  for (const std::string& preset : inversion_presets()) {
    const std::vector<Inverted> got = inverted(model, "conv2.relu", {.preset = preset, .starts = 2}, picture);
    ASSERT_EQ(got.size(), 2u);
    for (const Inverted& one : got) {
      EXPECT_LT(one.error, 0.4) << preset;
      EXPECT_GT(one.psnr, 14) << preset;
    }
    EXPECT_NE(got[0].image, got[1].image) << preset;
  }
}

TEST(Inversion, TheLadderGoesFromTheFirstLayerToTheLogProbabilities) {
  std::vector<std::string> names;
  for (const CodeLayer& layer : ladder_layers(cifar())) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"conv1.relu", "conv2.relu", "pool1", "conv3.relu", "conv4.relu", "pool2",
                                             "conv5.relu", "conv6.relu", "pool3", "conv7.relu", "pool4", "scale1",
                                             "log-probabilities"}));
}

// A network of 3x3 convolutions at stride 1 and 4 on 224x224 pictures.
Model wide() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 3, 224, 224}});
  const auto layer = [&](Value in, const char* name, int64_t stride) {
    const std::string weight = std::string(name) + ".w";
    const Value w = parameter(g, weight, {DType::f32, {3, 3, 3, 3}});
    model.weights[weight] = Tensor::full(DType::f32, {3, 3, 3, 3}, 0.1);
    return g.add(ops::conv, {in, w}, ConvAttributes{.stride = {stride}, .pad = {1}}, name);
  };
  const Value a = layer(x, "a", 4);
  g.outputs = {{"y", layer(layer(a, "b", 4), "c", 1)}};
  model.meaning.input = "x";
  model.meaning.preprocess = Preprocess{.crop_height = 224, .crop_width = 224};
  return model;
}

TEST(Inversion, PresetsHaveTheToolsNumbers) {
  const Model model = wide();
  const InversionPlan newer = inversion_plan(model, code_layer(model, "b"), {.preset = "mahendran2016"});
  EXPECT_EQ(newer.descent.update, "adaptive");
  EXPECT_EQ(newer.descent.bound, 160);
  EXPECT_EQ(newer.strength, 300);
  EXPECT_EQ(newer.descent.robust.jitter, 2);  // stride 16: a quarter is 4 places, here −2 to 2
  EXPECT_EQ(newer.descent.margin, 2);
  ASSERT_EQ(newer.descent.stages.size(), 2u);
  EXPECT_EQ(newer.descent.stages[0].steps, 300);
  EXPECT_EQ(newer.descent.stages[1].steps, 50);
  EXPECT_TRUE(newer.descent.stages[1].still);
  EXPECT_NEAR(newer.descent.stages[0].rate, 0.05 * 80 * 80 / 6 * 224 * 224, 1);
  EXPECT_NEAR(newer.descent.stages[1].rate, 0.005 * 80 * 80 / 6 * 224 * 224, 0.1);
  // For levels divided by 255: (6.5/80)² · 255² and (1/80)⁶ · 255⁶.
  EXPECT_NEAR(newer.variation, std::pow(6.5 / 80 * 255, 2), 1e-6);
  EXPECT_NEAR(newer.norm, std::pow(255.0 / 80, 6), 1e-6);
  EXPECT_EQ(newer.variation_form.form, "mean");
  EXPECT_EQ(newer.norm_form.form, "pixel");

  const InversionPlan older = inversion_plan(model, code_layer(model, "a"), {.preset = "mahendran2015"});
  EXPECT_EQ(older.descent.update, "momentum");
  ASSERT_EQ(older.descent.stages.size(), 3u);
  const double square = older.descent.stages[0].rate / 0.004;  // σ²
  EXPECT_NEAR(older.descent.stages[1].rate, 0.0004 * square, 1e-6 * square);
  EXPECT_NEAR(older.descent.stages[2].rate, 0.00004 * square, 1e-6 * square);
  EXPECT_EQ(older.descent.stages[0].steps, 100);
  EXPECT_EQ(older.descent.stages[1].steps, 200);
  EXPECT_NEAR(older.variation * square, 255.0 * 255, 1);  // λ = 1; "half" has the half
  EXPECT_NEAR(older.norm * square / std::pow(255, 6), 4e-10, 1e-14);

  const InversionPlan fewer = inversion_plan(model, code_layer(model, "a"), {.preset = "mahendran2015", .steps = 40});
  EXPECT_EQ(fewer.descent.steps(), 40);
  EXPECT_EQ(fewer.descent.stages[0].steps, 10);
}

// A bound of colours is the preset's of 2016 alone; it sets the α-norm's scale too.
TEST(Inversion, ABoundOfColours) {
  const Model model = wide();
  const CodeLayer layer = code_layer(model, "b");
  const auto message = [&](const InversionSettings& settings) -> std::string {
    try {
      inversion_plan(model, layer, settings);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      return e.message();
    }
    return "nothing was thrown";
  };
  const InversionPlan plan = inversion_plan(model, layer, {.preset = "mahendran2016", .bound = 250});
  EXPECT_EQ(plan.descent.bound, 250);
  EXPECT_NEAR(plan.norm, std::pow(255.0 / 125, 6), 1e-9);
  EXPECT_NEAR(plan.descent.stages[0].rate, 0.05 * 125 * 125 / 6 * 224 * 224, 1);
  EXPECT_NE(message({.preset = "mahendran2015", .bound = 200}).find("goes with mahendran2016"), std::string::npos);
  EXPECT_NE(message({.preset = "lbfgs", .bound = 200}).find("bounds by a sigmoid"), std::string::npos);
  for (const double wrong : {-1.0, std::nan("")})
    EXPECT_NE(message({.preset = "mahendran2016", .bound = wrong}).find("below 0"), std::string::npos) << wrong;
  // The rules that cannot keep one.
  PreimageSettings settings;
  settings.bound = 100;
  for (const char* rule : {"adam", "lbfgs", "momentum"}) {
    settings.update = rule;  // with momentum it is the parametrisation that does not go with it
    try {
      Preimage(model, reconstruction(layer), {}, settings, 1);
      ADD_FAILURE() << rule;
    } catch (const Error& e) { EXPECT_NE(e.message().find("a bound of pixels"), std::string::npos) << e.message(); }
  }
}

TEST(Inversion, ColoursStayWithinTheBound) {
  const Model model = cifar();
  const Image picture = draw_scene("airplane", 32, Rng(4));
  const std::vector<double>& mean = model.meaning.preprocess->mean;
  const auto furthest = [&](double bound) {
    const Image made =
        inverted(model, "conv1.relu", {.preset = "mahendran2016", .steps = 60, .bound = bound}, picture)[0].image;
    double most = 0;
    for (int y = 0; y < made.height(); ++y)
      for (int x = 0; x < made.width(); ++x) {
        double square = 0;
        for (int c = 0; c < 3; ++c) square += std::pow(made.at(y, x, c) - 255 * mean[static_cast<size_t>(c)], 2);
        most = std::max(most, std::sqrt(square));
      }
    return most;
  };
  const double narrow = furthest(60);
  EXPECT_LE(narrow, 60 + 0.5 * std::sqrt(3.0)) << "but for the rounding to levels";
  EXPECT_GT(narrow, 55) << "the picture has such colours";
  EXPECT_GT(furthest(160), 80);
}

TEST(Inversion, WhatCannotBeInvertedIsNamed) {
  const Model model = cifar();
  const auto message = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      return e.message();
    }
    return "nothing was thrown";
  };
  EXPECT_NE(message([&] { code_layer(model, "conv9"); }).find("did you mean \"conv"), std::string::npos);
  EXPECT_NE(message([&] {
              inversion_plan(model, code_layer(model, "conv1"), {.preset = "mahendran2014"});
            }).find("did you mean \"mahendran201"),
            std::string::npos);
  Model silent = wide();
  silent.weights["a.w"] = Tensor(DType::f32, {3, 3, 3, 3});
  EXPECT_NE(message([&] { inverted(silent, "a", {.preset = "lbfgs"}, blank(224, 224)); }).find("nothing but zeros"),
            std::string::npos);
  EXPECT_THROW(psnr(blank(4, 4), blank(4, 5)), Error);
  EXPECT_TRUE(std::isinf(psnr(blank(4, 4), blank(4, 4))));
}

}  // namespace
}  // namespace fovea
