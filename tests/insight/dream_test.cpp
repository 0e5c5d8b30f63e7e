// DeepDream where the right answer can be computed by hand: a network of one 1×1 convolution.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/insight/dream.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

// a = W x with W [2,1] on grey pictures, levels = pixels − 127.5: `layer` before, `positive` after a ReLU.
Model network(float first = 2, float second = -1) {
  Model model;
  Graph& g = model.graph;
  model.weights["w"] = Tensor::of<float>({2, 1, 1, 1}, {first, second});
  const Value x = input(g, "x", {DType::f32, {1, 1, 8, 8}});
  const Value a = conv(g, x, parameter(g, "w", {DType::f32, {2, 1, 1, 1}}));
  g.rename(a.node, "layer");
  const Value b = relu(g, a);
  g.rename(b.node, "positive");
  g.outputs.push_back({"positive", b});
  model.meaning.input = "x";
  Preprocess how;
  how.colour = "grey";
  how.scale = 1;
  how.mean = {127.5};
  how.std.clear();
  model.meaning.preprocess = how;
  return model;
}

Tensor ramp(int64_t height, int64_t width, double scale = 1) {
  Tensor t(DType::f32, {1, 1, height, width});
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, scale * (static_cast<double>((i * 7) % 41) - 20));
  return t;
}

struct DreamTest : testing::Test {
  std::unique_ptr<Backend> backend = cpu_backend({});
  CompileOptions options{.tune = false};
  Dream dream(const Model& model, DreamObjective objective, DreamSettings settings) {
    return Dream(model, std::move(objective), std::move(settings), *backend, options);
  }
};

DreamSettings plain(int64_t steps = 1, int64_t octaves = 1) {
  DreamSettings s = dream_settings("google-2015");
  s.steps = steps;
  s.octaves = octaves;
  s.jitter = 3;
  return s;
}

DreamObjective of(const std::string& layer) { return {.layers = {{layer, 1.0}}}; }

double mean_size(const Tensor& t) {
  double sum = 0;
  for (int64_t i = 0; i < t.count(); ++i) sum += std::abs(t.at(i));
  return sum / static_cast<double>(t.count());
}

TEST(LevelPlanes, RollIsNumpys) {
  const Tensor x = Tensor::of<float>({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const auto values = [](const Tensor& t) {
    const auto d = t.data<float>();
    return std::vector<float>(d.begin(), d.end());
  };
  EXPECT_EQ(values(rolled_levels(x, 1, 0)), (std::vector<float>{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(values(rolled_levels(x, 0, 1)), (std::vector<float>{3, 1, 2, 6, 4, 5}));
  EXPECT_EQ(values(rolled_levels(x, -3, 7)), values(rolled_levels(x, 1, 1)));
  EXPECT_EQ(values(rolled_levels(rolled_levels(x, 5, -2), -5, 2)), values(x));
}

TEST(LevelPlanes, ZoomPutsTheEndsOnEachOther) {
  const Tensor x = Tensor::of<float>({1, 1, 1, 3}, {0, 10, 40});
  const Tensor y = resized_levels(x, 1, 5, "zoom");
  for (int64_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(y.at(i), (std::vector<double>{0, 5, 10, 25, 40})[i]);
  EXPECT_NE(message_of([&] { resized_levels(x, 2, 2, "zomo"); }).find("no resize \"zomo\""), std::string::npos);
  // affine_transform: y[i] = x[(1 − s) i + n s/2]
  const Tensor z = enlarged_middle(x, 0.5);
  for (int64_t i = 0; i < 3; ++i) {
    const double p = 0.5 * static_cast<double>(i) + 0.75;
    EXPECT_FLOAT_EQ(z.at(i), p < 1 ? 10 * p : 10 + 30 * (p - 1)) << i;
  }
}

TEST_F(DreamTest, AStepIsTheFormula) {
  const Model model = network();
  const Tensor x = ramp(9, 11);
  DreamSettings s = plain();
  s.rule.clip = false;
  // a = (2x, −x), so g = Wᵀ a = 5x: x' = x + 1.5 · x / mean|x|.
  const double mean = mean_size(x);
  for (const int64_t shift : {0, 4}) {
    const Tensor after = dream(model, of("layer"), s).step(x, shift, -shift);
    for (int64_t i = 0; i < x.count(); ++i) EXPECT_NEAR(after.at(i), x.at(i) * (1 + 1.5 / mean), 1e-4) << i;
  }
  // After the ReLU only what is above 0 is sent back: 4x there, x elsewhere.
  Tensor g(DType::f32, x.shape());
  for (int64_t i = 0; i < x.count(); ++i) g.set(i, x.at(i) * (x.at(i) > 0 ? 4 : 1));
  const Tensor after = dream(model, of("positive"), s).step(x, 2, 3);
  for (int64_t i = 0; i < x.count(); ++i) EXPECT_NEAR(after.at(i), x.at(i) + 1.5 * g.at(i) / mean_size(g), 1e-4) << i;
}

TEST_F(DreamTest, ColoursStayWithin0And255) {
  const Model model = network();
  DreamSettings s = plain();
  s.rule.step = 100;
  const Tensor after = dream(model, of("layer"), s).step(ramp(8, 8, 6), 0, 0);
  double low = 0, high = 0;
  for (int64_t i = 0; i < after.count(); ++i) {
    low = std::min(low, after.at(i));
    high = std::max(high, after.at(i));
  }
  EXPECT_EQ(low, -127.5);
  EXPECT_EQ(high, 127.5);
}

TEST_F(DreamTest, APlainPictureStaysPlain) {
  // No answer, no gradient: nothing is divided by zero.
  const Model model = network();
  const Tensor x(DType::f32, {1, 1, 8, 8});
  for (const char* gradient : {"plain", "pyramid"}) {
    DreamSettings s = plain();
    s.rule.gradient = gradient;
    const Tensor after = dream(model, of("layer"), s).step(x, 1, 1);
    for (int64_t i = 0; i < x.count(); ++i) EXPECT_EQ(after.at(i), 0);
  }
}

TEST_F(DreamTest, BandsAddUpToTheStep) {
  const Model model = network();
  DreamSettings s = plain();
  s.rule.gradient = "pyramid";
  s.rule.clip = false;
  const Tensor x = ramp(37, 50);
  const Tensor after = dream(model, of("layer"), s).step(x, 0, 0);
  double change = 0;
  for (int64_t i = 0; i < x.count(); ++i) change += std::abs(after.at(i) - x.at(i)) / static_cast<double>(x.count());
  EXPECT_NEAR(change, 1.5, 1e-3);
  // A wide hill under fine noise: in plain gradients the noise drowns it, in even bands it does not.
  Tensor hill(DType::f32, {1, 1, 64, 64});
  for (int64_t i = 0; i < hill.count(); ++i)
    hill.set(i, 2 * std::sin(static_cast<double>(i % 64) * 0.1) + 30 * ((i * 2654435761u >> 7 & 1) ? 1 : -1));
  const auto hill_share = [&](const char* gradient) {
    s.rule.gradient = gradient;
    const Tensor now = dream(model, of("layer"), s).step(hill, 0, 0);
    double along = 0;
    for (int64_t i = 0; i < hill.count(); ++i)
      along += (now.at(i) - hill.at(i)) * std::sin(static_cast<double>(i % 64) * 0.1);
    return along;
  };
  EXPECT_GT(hill_share("pyramid"), 3 * hill_share("plain"));
}

TEST_F(DreamTest, SeveralLayersCountAlike) {
  // Σ w_l ln ½Σ a_l²: the gradient of each is a_l's over its own energy, 2x/Σx² for any scale of W.
  const Model model = network(200, 0);
  DreamSettings s = plain();
  s.rule.clip = false;
  const Tensor x = ramp(8, 8);
  double energy = 0, positive = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    energy += x.at(i) * x.at(i);
    positive += x.at(i) > 0 ? x.at(i) * x.at(i) : 0;
  }
  Tensor g(DType::f32, x.shape());
  for (int64_t i = 0; i < x.count(); ++i) g.set(i, x.at(i) / energy + 3 * (x.at(i) > 0 ? x.at(i) / positive : 0));
  const Tensor after = dream(model, {.layers = {{"layer", 1.0}, {"positive", 3.0}}}, s).step(x, 0, 0);
  for (int64_t i = 0; i < x.count(); ++i) EXPECT_NEAR(after.at(i), x.at(i) + 1.5 * g.at(i) / mean_size(g), 1e-4) << i;
}

TEST_F(DreamTest, AGuideSendsBackItsNearestAnswer) {
  const Model model = network();
  DreamSettings s = plain();
  s.rule.clip = false;
  const Tensor x = Tensor::of<float>({1, 1, 1, 4}, {1, -2, 3, -4});
  DreamObjective objective = of("layer");
  objective.guide = Tensor::of<float>({1, 1, 1, 2}, {5, -7});
  // Answers (2v, −v): the greatest dot product is with the guide's value of the same sign; g = 5 · 5 or 5 · −7.
  const Tensor after = dream(model, objective, s).step(x, 0, 0);
  const double g[] = {25, -35, 25, -35};
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(after.at(i), x.at(i) + 1.5 * g[i] / 30, 1e-5);
}

TEST_F(DreamTest, ObjectivesAreClimbed) {
  const Model model = network();
  DreamSettings s = plain();
  s.rule.clip = false;
  const Tensor x = ramp(8, 8);
  const Tensor after = dream(model, {.objective = parse_objective(model, "channel(layer, 1)")}, s).step(x, 0, 0);
  for (int64_t i = 0; i < x.count(); ++i) EXPECT_NEAR(after.at(i), x.at(i) - 1.5, 1e-5);  // answer −x: darker
}

TEST_F(DreamTest, NothingIsDrawnWhereTheMaskIsBlack) {
  const Model model = network();
  Dream d = dream(model, of("layer"), plain());
  d.set_mask(Tensor::of<float>({1, 1, 1, 4}, {0, 0, 1, 1}));
  const Tensor x = ramp(8, 64), after = d.step(x, 3, 5);
  for (int64_t y = 0; y < 8; ++y)
    for (int64_t column = 0; column < 64; ++column) {
      const double change = std::abs(after.at(y * 64 + column) - x.at(y * 64 + column));
      if (column < 24) EXPECT_EQ(change, 0) << column;
      if (column >= 40 && x.at(y * 64 + column) != 0) EXPECT_GT(change, 0) << column;
    }
}

TEST_F(DreamTest, TilesGiveTheSameGradient) {
  // A network that looks at single pixels has no seams whatever its tiles: their weights add up to 1 everywhere.
  const Model model = network();
  const Tensor x = ramp(75, 110);
  Dream whole = dream(model, of("layer"), plain());
  const Tensor expected = whole.step(x, 2, -9);
  for (const int64_t tile : {32, 40, 100}) {
    DreamSettings s = plain();
    s.tile = tile;
    Dream tiled = dream(model, of("layer"), s);
    const Tensor after = tiled.step(x, 2, -9);
    for (int64_t i = 0; i < x.count(); ++i) ASSERT_NEAR(after.at(i), expected.at(i), 1e-4) << tile << " " << i;
    for (const uint64_t seed : {1u, 2u, 3u}) {  // wherever the tiles lie
      const DreamResult run = tiled.run({}, x, Rng(seed));
      const DreamResult untiled = whole.run({}, x, Rng(seed));
      EXPECT_GT(run.octaves[0].tiles, 1);
      for (int64_t i = 0; i < x.count(); ++i)
        ASSERT_NEAR(run.levels.at(i), untiled.levels.at(i), 1e-4) << tile << " " << i;
    }
  }
}

TEST_F(DreamTest, MemoryChoosesTiles) {
  const Model model = network();
  Dream d = dream(model, of("layer"), plain());
  EXPECT_EQ(d.fitting_tile(64, 64, size_t{1} << 30), 0);
  const size_t whole = d.memory_estimate(1024, 2048);
  const int64_t tile = d.fitting_tile(1024, 2048, whole - whole / 8);
  EXPECT_GE(tile, 128);
  EXPECT_LT(tile, 2048);
  EXPECT_NE(message_of([&] { d.fitting_tile(1024, 2048, 1 << 20); }).find("even in tiles of 128"), std::string::npos);
}

TEST_F(DreamTest, OctavesAddWhatWasDrawn) {
  const Model model = network();
  DreamSettings s = plain(2, 3);
  Dream d = dream(model, of("layer"), s);
  using Sizes = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(d.sizes(28, 14), (Sizes{{14, 7}, {20, 10}, {28, 14}}));
  EXPECT_EQ(d.sizes(1, 1), (Sizes{{1, 1}}));
  const Tensor x = ramp(28, 14);
  std::vector<double> done;
  const DreamResult result = d.run({}, x, Rng(3), [&](const DreamMoment& m) {
    done.push_back(m.done);
    EXPECT_EQ(m.picture().shape(), x.shape());
  });
  ASSERT_EQ(result.octaves.size(), 3u);
  EXPECT_EQ(done.size(), 6u);
  EXPECT_DOUBLE_EQ(done.back(), 1);
  EXPECT_TRUE(result.finished);
  // The same by single steps, with the same random shifts.
  Tensor detail(DType::f32, {1, 1, 14, 7});
  std::vector<Tensor> bases = {x, resized_levels(x, 20, 10, "zoom")};
  bases.push_back(resized_levels(bases[1], 14, 7, "zoom"));
  for (uint64_t octave = 0; octave < 3; ++octave) {
    const Tensor& base = bases[2 - octave];
    detail = resized_levels(detail, base.size(2), base.size(3), "zoom");
    Tensor now(DType::f32, base.shape());
    for (int64_t i = 0; i < now.count(); ++i) now.set(i, base.at(i) + detail.at(i));
    for (uint64_t step = 0; step < 2; ++step) {
      const Rng own = Rng(3).fork(octave).fork(step);
      now = d.step(now, static_cast<int64_t>(own.below(0, 7)) - 3, static_cast<int64_t>(own.below(1, 7)) - 3);
    }
    for (int64_t i = 0; i < now.count(); ++i) detail.set(i, now.at(i) - base.at(i));
  }
  for (int64_t i = 0; i < x.count(); ++i) EXPECT_NEAR(result.levels.at(i), x.at(i) + detail.at(i), 1e-4);
}

TEST_F(DreamTest, WhenCancelledItKeepsWhatThereIs) {
  const Model model = network();
  std::atomic<bool> cancel{false};
  Context context;
  context.cancel = &cancel;
  const Tensor x = ramp(28, 14);
  const DreamResult result = dream(model, of("layer"), plain(4, 3)).run(context, x, Rng(3), [&](const DreamMoment& m) {
    if (m.octave == 1 && m.step == 1) cancel = true;
  });
  EXPECT_FALSE(result.finished);
  EXPECT_TRUE(result.trouble.empty());
  ASSERT_EQ(result.octaves.size(), 2u);
  EXPECT_EQ(result.octaves[1].values.size(), 2u);
  EXPECT_EQ(result.levels.shape(), x.shape());
  double change = 0;
  for (int64_t i = 0; i < x.count(); ++i) change += std::abs(result.levels.at(i) - x.at(i));
  EXPECT_GT(change / static_cast<double>(x.count()), 1);
}

TEST_F(DreamTest, NanKeepsTheLastGoodPicture) {
  const Model model = network(std::numeric_limits<float>::quiet_NaN(), 1);
  const Tensor x = ramp(8, 8);
  const DreamResult result = dream(model, of("layer"), plain(4)).run({}, x, Rng(3));
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(
      result.trouble,
      "octave 1, step 1: the gradient of layer is not finite: the weight \"w\" holds NaN or infinity; the file is "
      "damaged or its training diverged");
  for (int64_t i = 0; i < x.count(); ++i) EXPECT_EQ(result.levels.at(i), x.at(i));
}

TEST_F(DreamTest, WrongSettingsAreNamed) {
  const Model model = network();
  const auto said = [&](const std::function<void(DreamSettings&)>& change) {
    DreamSettings s = plain();
    change(s);
    return message_of([&] { dream(model, of("layer"), s); });
  };
  EXPECT_NE(said([](auto& s) { s.steps = 0; }).find("0 steps"), std::string::npos);
  EXPECT_NE(said([](auto& s) { s.octave_scale = 1; }).find("octave scale of 1"), std::string::npos);
  EXPECT_NE(said([](auto& s) { s.rule.step = 0; }).find("step of 0 grey levels"), std::string::npos);
  EXPECT_NE(said([](auto& s) { s.tile = 5; }).find("tiles of 5 pixels"), std::string::npos);
  EXPECT_NE(message_of([] { dream_settings("google-2051"); }).find("google-2015"), std::string::npos);
}

}  // namespace
}  // namespace fovea
