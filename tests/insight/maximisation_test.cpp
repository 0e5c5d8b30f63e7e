// Pictures made for units and classes: on networks whose best picture is known, and on the built-in ones.
#include "fovea/insight/maximisation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/backend/backend.h"
#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/formats/builtin.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"
#include "tests/formula.h"

namespace fovea {
namespace {

// 5x5 filters on 12x13 pictures of three colours, then a ReLU that unit 1 never passes.
Model filters_only() {
  Model model;
  Graph& g = model.graph;
  const Value x = input(g, "x", {DType::f32, {1, 3, 12, 13}});
  const Value w = parameter(g, "w", {DType::f32, {4, 3, 5, 5}}), b = parameter(g, "b", {DType::f32, {4}});
  const Value c = g.add(ops::conv, {x, w, b}, ConvAttributes{.pad = {2}}, "conv1");
  g.outputs = {{"y", g.add(ops::relu, {c}, {}, "relu1")}};
  const Formula u("filters of the stimulus");
  model.weights["w"] = Tensor(DType::f32, {4, 3, 5, 5});
  for (int64_t i = 0; i < 300; ++i) model.weights["w"].set(i, 2 * u(i) - 1);
  model.weights["b"] = Tensor::of<float>({4}, {0, -100, 0.5f, 0});
  model.meaning.input = "x";
  model.meaning.preprocess = preset("raw", 12, 13);
  return model;
}

Model builtin(const char* name) {
  Model model = builtin_model(name);
  complete_meaning(model);
  return model;
}

std::vector<float> one_hot(int64_t units, int64_t unit) {
  std::vector<float> v(static_cast<size_t>(units), 0.0f);
  v[static_cast<size_t>(unit)] = 1;
  return v;
}

// max wᵀx, ‖x‖ = r is x = r w / ‖w‖: the filter itself, where the unit looks, and nothing elsewhere.
TEST(Maximisation, TheOptimalStimulusOfAFilterIsTheFilter) {
  const Model model = filters_only();
  const UnitLayer layer = unit_layer(model, "conv1");
  for (const int64_t unit : {0, 1, 3}) {
    const MaximisationSettings settings{.preset = "stimulus"};
    Preimage preimage(model, neuron(layer, unit), {}, preimage_settings(model, {"conv1"}, settings), 1);
    preimage.prepare(reference_backend(), {});
    const Preimages made = preimage.run({}, {Rng(5)}, Rng(6), {});
    const Tensor& w = model.weights.at("w");
    double dot = 0, filter = 0, whole = 0;
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < 12; ++y)
        for (int64_t x = 0; x < 13; ++x) {
          const double v = made.levels.at((c * 12 + y) * 13 + x);
          whole += v * v;
          const int64_t fy = y - 4, fx = x - 4;  // the middle neuron is (6, 6)
          if (fy < 0 || fx < 0 || fy >= 5 || fx >= 5) continue;
          const double weight = w.at(((unit * 3 + c) * 5 + fy) * 5 + fx);
          dot += v * weight;
          filter += weight * weight;
        }
    EXPECT_GT(dot / std::sqrt(whole * filter), 0.99999) << "unit " << unit;
    EXPECT_NEAR(std::sqrt(whole), 40 * std::sqrt(3.0) * 5, 0.1);
  }
}

// A unit behind a ReLU that is silent at the start finds its way out.
TEST(Maximisation, SilentUnitsAreWoken) {
  const Model model = filters_only();
  const UnitLayer layer = unit_layer(model, "relu1");
  Preimage preimage(model, channel(layer, 1), {}, preimage_settings(model, {"relu1"}, {.steps = 60}), 1);
  preimage.prepare(reference_backend(), {});
  const Preimages made = preimage.run({}, {Rng(1)}, Rng(2), {});
  EXPECT_LT(made.values[0].front(), 0);
  EXPECT_GT(made.values[0].back(), 0);
}

struct Made {
  std::vector<MadePicture> pictures;
  size_t estimate = 0, arena = 0;
};

Made make(const Model& model, const UnitLayer& layer, const std::vector<int64_t>& units,
          const MaximisationSettings& settings, uint64_t seed, int64_t batch) {
  const auto backend = cpu_backend({});
  Maximisation maximisation(model, selected_units(layer), settings, batch);
  CompileOptions options;
  options.tune = false;
  maximisation.prepare(*backend, options);
  std::vector<PictureWish> wishes;
  for (const int64_t unit : units) wishes.push_back({"", static_cast<uint64_t>(unit), one_hot(layer.units, unit)});
  Context context;
  context.seed = seed;
  Made made{maximisation(context, wishes), maximisation.memory_estimate(), maximisation.program().memory().arena};
  return made;
}

TEST(Maximisation, ClassesOfTheBuiltInNetworksAreRecognised) {
  for (const char* name : {"builtin:cifar10", "builtin:digits"}) {
    const Model model = builtin(name);
    const Made made = make(model, score_layer(model), {1, 3, 6, 8}, {.steps = 256}, 0, 4);
    const auto backend = cpu_backend({});
    Program program = compile(model.graph, std::vector<Value>{scores_output(model)}, model.weights, *backend, {});
    ASSERT_EQ(made.pictures.size(), 4u);
    const int64_t labels[] = {1, 3, 6, 8};
    for (size_t i = 0; i < 4; ++i) {
      const Tensor pixels = normalise(made.pictures[i].image, *model.meaning.preprocess);
      const Guess best =
          best_guesses(program.run({{model.graph.node(picture_input(model)).name, pixels}})[0], model.meaning, 1)[0];
      EXPECT_EQ(best.index, labels[i]) << name;
      EXPECT_GE(best.probability, 0.99) << name;
      EXPECT_GT(made.pictures[i].answer, made.pictures[i].curve.front());
    }
    EXPECT_GE(made.estimate, made.arena) << name;
    EXPECT_LT(made.estimate, 6 * made.arena) << name;
  }
}

TEST(Maximisation, TheSameSeedGivesTheSameBytes) {
  const Model model = builtin("builtin:cifar10");
  const UnitLayer layer = unit_layer(model, "conv4.relu");
  for (const char* preset : {"fourier", "natural"}) {
    const MaximisationSettings settings{.preset = preset, .steps = 12, .peak = 1};
    const Made a = make(model, layer, {3, 5}, settings, 1, 2), b = make(model, layer, {3, 5}, settings, 1, 2),
               other = make(model, layer, {3, 5}, settings, 2, 2);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(a.pictures[i].image, b.pictures[i].image) << preset;
      EXPECT_NE(a.pictures[i].image, other.pictures[i].image) << preset;
    }
    EXPECT_NE(a.pictures[0].image, a.pictures[1].image);
  }
}

// What a unit's picture looks like does not depend on which others are made with it.
TEST(Maximisation, BatchesDoNotMix) {
  const Model model = filters_only();
  const UnitLayer layer = unit_layer(model, "relu1");
  const MaximisationSettings settings{.steps = 10};
  const Made alone = make(model, layer, {3}, settings, 1, 1), together = make(model, layer, {0, 2, 3}, settings, 1, 2);
  ASSERT_EQ(together.pictures.size(), 3u);
  EXPECT_NEAR(alone.pictures[0].answer, together.pictures[2].answer, 1e-3 * std::abs(alone.pictures[0].answer));
  const auto a = alone.pictures[0].image.samples(), b = together.pictures[2].image.samples();
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  EXPECT_LE(most, 2);
}

TEST(Maximisation, EveryPresetRaisesItsObjective) {
  const Model model = builtin("builtin:cifar10");
  const UnitLayer layer = unit_layer(model, "conv5.relu");
  for (const std::string& preset : maximisation_presets()) {
    const Made made = make(model, layer, {7}, {.preset = preset, .steps = 40, .peak = 1}, 3, 1);
    const std::vector<float>& curve = made.pictures[0].curve;
    EXPECT_GT(curve.back(), curve.front() + 0.1 * std::abs(curve.front())) << preset;
    EXPECT_TRUE(std::isfinite(made.pictures[0].answer));
  }
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.message();
  }
  return "nothing was thrown";
}

TEST(Maximisation, ObjectivesThatAreNotFiniteAreExplained) {
  Model model = filters_only();
  const auto run = [&](const PictureObjective& objective) {
    return message_of([&] {
      Preimage preimage(model, objective, {}, preimage_settings(model, objective.nodes(), {.steps = 5}), 1);
      preimage.prepare(reference_backend(), {});
      preimage.run({}, {Rng(1)}, Rng(2), {});
    });
  };
  PictureObjective huge = constant_objective(1e30) * channel(unit_layer(model, "conv1"), 0);
  const std::string overflow = run(huge * huge);
  EXPECT_NE(overflow.find("step 0: the objective is not finite"), std::string::npos) << overflow;
  EXPECT_NE(overflow.find("the objective itself"), std::string::npos) << overflow;
  EXPECT_NE(overflow.find("--rate"), std::string::npos) << overflow;
  model.weights["w"].set(7, std::numeric_limits<double>::quiet_NaN());
  const std::string broken = run(channel(unit_layer(model, "relu1"), 0));
  EXPECT_NE(broken.find("layer \"conv1\" is the first value"), std::string::npos) << broken;
  EXPECT_NE(broken.find("the weight \"w\" holds NaN"), std::string::npos) << broken;
}

// The rules of the two tools, by hand, on f(x) = Σ x² / 2.
TEST(Maximisation, RulesAreThoseOfTheTools) {
  Model model = filters_only();
  for (const char* rule : {"momentum", "adaptive"}) {
    PreimageSettings settings;
    settings.parametrisation = {.kind = "pixels", .bounds = "none"};
    settings.update = rule;
    settings.stages = {{3, 0.3}, {2, 0.1}};
    settings.bound = 60;
    // −½ Σ x²: the penalty is for levels / 255.
    const PictureObjective half = (-0.5 * 255 * 255) * alpha_norm(AlphaNorm{2, "sum"});
    Preimage preimage(model, half, {}, settings, 1);
    preimage.prepare(reference_backend(), {});
    Tensor start(DType::f32, {1, 3, 12, 13});
    for (int64_t i = 0; i < start.count(); ++i) start.set(i, 40 + static_cast<double>(i % 7));
    const Preimages made = preimage.run_from({}, start, Rng(1), {});
    double x[3], m[3] = {}, a[3] = {};
    for (int64_t c = 0; c < 3; ++c) x[c] = start.at(c * 156);
    for (int step = 0; step < 5; ++step) {
      const double rate = step < 3 ? 0.3 : 0.1;
      double length = 0;
      for (int c = 0; c < 3; ++c) {
        if (step == 3) m[c] = 0;  // the sums of squares go on
        const double g = x[c];
        a[c] = 0.9 * a[c] + g * g;
        m[c] = 0.9 * m[c] - (std::string(rule) == "adaptive" ? g / (1 / rate + std::sqrt(a[c])) : rate * g);
        x[c] += m[c];
        length += x[c] * x[c];
      }
      for (double& v : x) v *= std::min(1.0, 60 / std::sqrt(length));
    }
    for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(made.levels.at(c * 156), x[c], 1e-3) << rule;
  }
}

TEST(Maximisation, SettingsThatDoNotFitAreRefused) {
  const Model model = filters_only();
  const PictureObjective objective = channel(unit_layer(model, "conv1"), 0);
  const auto refused = [&](const MaximisationSettings& s, int64_t batch) {
    return message_of([&] { Maximisation(model, objective, s, batch); });
  };
  EXPECT_NE(refused({.preset = "furier"}, 1).find("did you mean \"fourier\""), std::string::npos);
  EXPECT_NE(refused({.preset = "stimulus"}, 2).find("one picture at a time"), std::string::npos);
  EXPECT_NE(refused({.preset = "stimulus", .jitter = 2}, 1).find("random views"), std::string::npos);
  EXPECT_NE(refused({.preset = "natural"}, 1).find("peak"), std::string::npos);
  EXPECT_NE(refused({.side = 1}, 1).find("at least 2x2"), std::string::npos);
}

}  // namespace
}  // namespace fovea
