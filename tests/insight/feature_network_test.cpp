// Networks made ready for pictures: average pooling, no frame, answers of mean 1.
#include "fovea/insight/feature_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/insight/picture_loss.h"
#include "fovea/insight/style.h"
#include "fovea/model/random_filters.h"
#include "fovea/model/zoo/network_builder.h"
#include "tests/insight/small_loss_networks.h"

namespace fovea {
namespace {

const Context kQuiet;
const std::vector<std::string> kDeepest = {"d"};

Tensor maps_of(const Model& model, const std::string& layer, const Tensor& levels) {
  return capture(kQuiet, model, levels, {{.layer = layer, .maps = true, .sums = false}}, reference_backend(),
                 {.exact = true, .tune = false})[0]
      .maps;
}

Model pooled() {
  SmallNetwork n;
  Value x = n.conv("a", n.picture(), 8, 3, {.pad = 1});
  n.named("pool", max_pool(n.model.graph, x, {.kernel = {2, 2}, .stride = 2}));
  return n.model;
}

TEST(FeatureNetwork, AveragesInThePlaceOfMaxima) {
  const Tensor levels = formula_levels("levels", 10, 12);
  const Tensor before = maps_of(pooled(), "a", levels);
  for (const double factor : {1.0, 2.0}) {
    const Tensor now = maps_of(with_average_pooling(pooled(), factor), "pool", levels);
    ASSERT_EQ(now.shape(), (Shape{1, 8, 5, 6}));
    for (int64_t c = 0; c < 8; ++c)
      for (int64_t y = 0; y < 5; ++y)
        for (int64_t x = 0; x < 6; ++x) {
          double sum = 0;
          for (const int64_t at : {0, 1, 12, 13}) sum += before.at((c * 10 + 2 * y) * 12 + 2 * x + at);
          EXPECT_NEAR(now.at((c * 5 + y) * 6 + x), factor * sum / 4, 1e-4);
        }
  }
}

// A picture of one colour has no edges, unless zeros surround it.
TEST(FeatureNetwork, ReplicatedEdgesLeaveNoFrame) {
  const Tensor plain = Tensor::full(DType::f32, {1, 3, 9, 9}, 50);
  const auto spread = [&](const Model& model) {
    const Tensor maps = maps_of(model, "a", plain);
    double widest = 0;
    for (int64_t c = 0; c < maps.size(1); ++c)
      for (int64_t p = 0; p < 81; ++p) widest = std::max(widest, std::abs(maps.at(c * 81 + p) - maps.at(c * 81)));
    return widest;
  };
  EXPECT_GT(spread(small_vgg()), 1);
  EXPECT_LT(spread(with_replicated_edges(small_vgg())), 1e-3);
}

TEST(FeatureNetwork, NormalisedUnitsAnswerOneOnAverage) {
  const Model model = with_average_pooling(small_vgg());
  const Tensor pictures[] = {formula_levels("one", 18, 20), formula_levels("two", 24, 16)};
  const Model now =
      with_normalised_weights(kQuiet, model, kDeepest, pictures, reference_backend(), {.exact = true, .tune = false});
  for (const char* layer : {"a", "b", "c", "d"}) {
    std::vector<double> before, after;
    double positions = 0;
    for (const Tensor& picture : pictures)
      for (const bool normalised : {false, true}) {
        const Captured c = capture(kQuiet, normalised ? now : model, picture, {{.layer = layer}}, reference_backend(),
                                   {.exact = true, .tune = false})[0];
        auto& sums = normalised ? after : before;
        sums.resize(static_cast<size_t>(c.sums.channels), 0);
        for (size_t j = 0; j < sums.size(); ++j) sums[j] += c.sums.answers.at(static_cast<int64_t>(j));
        positions += normalised ? c.sums.positions : 0;
      }
    int64_t alive = 0;
    double layer_mean = 0;
    for (const double mean : before) layer_mean += mean / static_cast<double>(before.size());
    for (size_t j = 0; j < after.size(); ++j) {
      // One that hardly answers is not made strong.
      const double expected = std::min(1.0, before[j] / (0.05 * layer_mean));
      alive += expected == 1;
      EXPECT_NEAR(after[j] / positions, expected, 1e-4) << layer << " " << j;
    }
    EXPECT_GT(alive, 4) << layer;
  }
  EXPECT_THROW(with_normalised_weights(kQuiet, model, kDeepest, {}, reference_backend()), Error);
  try {
    with_normalised_weights(kQuiet, small_inception(), kDeepest, pictures, reference_backend());
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("chains"), std::string::npos) << e.message(); }
}

// Layers of several branches are scaled together.
TEST(FeatureNetwork, EveryBranchIsNormalised) {
  const Model model = random_filters(3);
  const std::vector<std::string> layers = style_layers_of(model).style;
  const Tensor pictures[] = {formula_levels("one", 96, 96), formula_levels("two", 96, 112)};
  const Model now =
      with_normalised_weights(kQuiet, model, layers, pictures, reference_backend(), {.exact = true, .tune = false});
  for (const std::string& layer : layers) {
    std::vector<double> before(64), after(64);
    double positions = 0, layer_mean = 0;
    const auto add = [&](const Model& from, const Tensor& picture, std::vector<double>& to) {
      const Captured c =
          capture(kQuiet, from, picture, {{.layer = layer}}, reference_backend(), {.exact = true, .tune = false})[0];
      for (size_t j = 0; j < to.size(); ++j) to[j] += c.sums.answers.at(static_cast<int64_t>(j));
      return c.sums.positions;
    };
    for (const Tensor& picture : pictures) {
      positions += add(model, picture, before);
      add(now, picture, after);
    }
    for (const double sum : before) layer_mean += sum / 64;
    for (size_t j = 0; j < after.size(); ++j)
      EXPECT_NEAR(after[j] / positions, std::min(1.0, before[j] / (0.05 * layer_mean)), 1e-3) << layer << " " << j;
  }
}

// conv → batch norm → ReLU, pool, conv without a bias → batch norm → ReLU.
Model with_batch_norms() {
  NetworkBuilder net({}, {3, 24, 24}, 1);
  Value x = net.conv("one", net.input(), 8, {3}, {.pad = {1}});
  x = net.max_pool("pool", net.relu("one relu", net.batch_norm("one norm", x)), {.kernel = {2}, .stride = {2}});
  x = net.conv("two", x, 6, {3}, {.pad = {1}, .bias = false});
  net.output("maps", net.relu("two relu", net.batch_norm("two norm", x, 1e-3)));
  Model model;
  for (const Value p : net.graph.parameters()) {
    const std::string& name = net.graph.node(p).name;
    const bool variance = name.ends_with("running_var");
    model.weights[name] = formula_tensor(name, variance ? 4 : 1, variance ? -0.1 : 0.4, net.graph.shape(p));
  }
  model.graph = std::move(net.graph);
  model.meaning.input = "input";
  model.meaning.preprocess = preset("vgg", 24, 24);
  return model;
}

TEST(FeatureNetwork, FoldedBatchNormsAnswerTheSame) {
  const Model model = with_batch_norms();
  const Tensor levels = formula_levels("levels", 20, 26);
  const std::vector<std::string> kept = {"two relu"};
  const Model folded = with_folded_batch_norms(model, kept);
  verify(folded.graph);
  for (const Node& node : folded.graph.nodes()) EXPECT_NE(node.op->name, "batch_norm") << node.name;
  for (const char* layer : {"one relu", "two norm", "two relu"}) {
    const Tensor before = maps_of(model, layer, levels), after = maps_of(folded, layer, levels);
    for (int64_t i = 0; i < before.count(); ++i)
      ASSERT_NEAR(after.at(i), before.at(i), 1e-4 * (1 + std::abs(before.at(i)))) << layer;
  }
  // A convolution that is looked at itself stays, and its norm with it.
  const std::vector<std::string> both = {"one", "two relu"};
  const Model partly = with_folded_batch_norms(model, both);
  EXPECT_EQ(std::count_if(partly.graph.nodes().begin(), partly.graph.nodes().end(),
                          [](const Node& node) { return node.op->name == "batch_norm"; }),
            1);
  // Now weights can be normalised, which batch norms would not let them.
  const Tensor pictures[] = {levels};
  EXPECT_THROW(with_normalised_weights(kQuiet, model, kept, pictures, reference_backend()), Error);
  EXPECT_NO_THROW(with_normalised_weights(kQuiet, folded, kept, pictures, reference_backend()));
}

// A grey picture hardly excites units of colour: by itself it would make them so strong that they are all a loss sees.
TEST(FeatureNetwork, NormalisingByOnePictureMakesNoUnitWild) {
  Tensor grey = formula_levels("one", 18, 20);
  const auto levels = grey.data<float>();
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = levels[i % (levels.size() / 3)] * 0.01f;
  const Tensor pictures[] = {grey}, loud = formula_levels("two", 18, 20);
  const Model now = with_normalised_weights(kQuiet, small_vgg(), kDeepest, pictures, reference_backend(),
                                            {.exact = true, .tune = false});
  const auto strength = [&](const Model& model, const Tensor& levels_in, int64_t unit) {
    const Captured c =
        capture(kQuiet, model, levels_in, {{.layer = "a"}}, reference_backend(), {.exact = true, .tune = false})[0];
    return c.sums.answers.at(unit) / c.sums.positions;
  };
  double mean = 0;
  const int64_t units =
      capture(kQuiet, now, loud, {{.layer = "a"}}, reference_backend(), {.exact = true, .tune = false})[0]
          .sums.channels;
  for (int64_t j = 0; j < units; ++j) mean += strength(small_vgg(), grey, j) / static_cast<double>(units);
  for (int64_t j = 0; j < units; ++j)
    EXPECT_LE(strength(now, loud, j), 1.001 * strength(small_vgg(), loud, j) / (0.05 * mean)) << j;
  EXPECT_EQ(varied_pictures().size(), 6u);
}

}  // namespace
}  // namespace fovea
