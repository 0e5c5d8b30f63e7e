// A loss in tiles is the loss of the whole: sums, terms and gradients.
#include "fovea/insight/picture_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/error.h"
#include "fovea/formats/open.h"
#include "fovea/insight/layer_network.h"
#include "fovea/insight/preimage.h"
#include "fovea/model/conventions.h"
#include "fovea/model/random_filters.h"
#include "tests/data_folder.h"
#include "tests/insight/small_loss_networks.h"
#include "tests/thrown_message.h"

namespace fovea {
namespace {

const Context kQuiet;

// Direct convolutions: the same sums in every tile.
CompileOptions exact() { return {.exact = true, .tune = false}; }

double relative(const Tensor& a, const Tensor& b) {
  double off = 0, all = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    off += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
    all += a.at(i) * a.at(i);
  }
  return std::sqrt(off / all);
}

struct Subject {
  std::string name;
  Model (*network)();
  std::vector<std::string> layers;
  int64_t height, width, tile;
};

std::vector<LossTerm> terms_of(const Subject& s, const Model& model, Backend& backend) {
  std::vector<CapturedLayer> style, content;
  for (const std::string& layer : s.layers) {
    style.push_back({.layer = layer});
    content.push_back({.layer = layer, .maps = true, .sums = false});
  }
  // Of other contrast and brightness, so that no loss is a small difference of large sums.
  const Tensor other = formula_tensor("style", 500, 0.2, {1, 3, 61, 59});
  const auto texture = capture(kQuiet, model, other, style, backend, exact());
  const auto scene = capture(kQuiet, model, formula_levels("content", s.height, s.width), content, backend, exact());
  std::vector<LossTerm> terms;
  for (size_t k = 0; k < s.layers.size(); ++k) {
    const LayerSize size = layer_size(model, s.layers[k], s.height, s.width);
    const Tensor region = formula_tensor("region", 1, 0, {1, 1, size.height, size.width});
    for (const std::string& form : style_forms())
      terms.push_back(style_term(s.layers[k], texture[k].sums, form, form == "w2" ? 100 : 1));
    terms.push_back(style_term(s.layers[k], texture[k].sums, "w2", 10, region));
    terms.push_back(content_term(s.layers[k], scene[k].maps, "mean", 2, k == 0 ? region : Tensor()));
  }
  for (const std::string& form : total_variation_forms()) terms.push_back(total_variation_term({.form = form}, 1e-3));
  for (const std::string& form : alpha_norm_forms()) terms.push_back(alpha_norm_term({.alpha = 3, .form = form}, 1e-6));
  return terms;
}

LossValue evaluated(const Model& model, const std::vector<LossTerm>& terms, const Subject& s, Backend& backend,
                    const TilingSettings& tiling, int64_t* tiles = nullptr) {
  PictureLoss loss(model, terms, s.height, s.width, tiling);
  if (tiles) *tiles = loss.estimate().tiling.count();
  loss.prepare(backend, exact());
  const LossValue value = loss.evaluate(kQuiet, formula_levels("levels", s.height, s.width));
  EXPECT_EQ(loss.not_finite(value), "");
  // A second evaluation gives the same bits.
  const LossValue again = loss.evaluate(kQuiet, formula_levels("levels", s.height, s.width));
  EXPECT_TRUE(value.gradient.same_bits(again.gradient));
  EXPECT_EQ(value.total, again.total);
  return value;
}

class Tiled : public ::testing::TestWithParam<Subject> {};

TEST_P(Tiled, IsTheWhole) {
  const Subject& s = GetParam();
  const Model model = s.network();
  const auto backend = cpu_backend({.exact = true});
  std::vector<LossTerm> terms = terms_of(s, model, *backend);
  for (const bool normalised : {false, true}) {
    SCOPED_TRACE(normalised);
    if (normalised)
      for (LossTerm& term : terms) term.normalise_gradient = !term.layer.empty();
    int64_t tiles = 0;
    const LossValue whole = evaluated(model, terms, s, *backend, {});
    const LossValue tiled = evaluated(model, terms, s, *backend, {.tile = s.tile}, &tiles);
    EXPECT_GE(tiles, 4);
    ASSERT_EQ(whole.terms.size(), tiled.terms.size());
    for (size_t k = 0; k < terms.size(); ++k)
      EXPECT_NEAR(tiled.terms[k] / whole.terms[k], 1, 1e-5) << terms[k].name << " " << k;
    EXPECT_LT(relative(whole.gradient, tiled.gradient), 1e-5);
  }
}

TEST_P(Tiled, CapturesTheWhole) {
  const Subject& s = GetParam();
  const Model model = s.network();
  const auto backend = cpu_backend({.exact = true});
  std::vector<CapturedLayer> layers;
  for (const std::string& layer : s.layers) {
    layers.push_back({.layer = layer, .maps = true});
    const LayerSize size = layer_size(model, layer, s.height, s.width);
    layers.push_back({.layer = layer, .region = formula_tensor("region", 1, 0, {1, 1, size.height, size.width})});
  }
  const Tensor levels = formula_levels("levels", s.height, s.width);
  const auto whole = capture(kQuiet, model, levels, layers, *backend, exact());
  const auto tiled = capture(kQuiet, model, levels, layers, *backend, exact(), {.tile = s.tile});
  for (size_t k = 0; k < layers.size(); ++k) {
    SCOPED_TRACE(layers[k].layer);
    if (layers[k].maps) EXPECT_LT(relative(whole[k].maps, tiled[k].maps), 1e-6);
    EXPECT_EQ(whole[k].sums.positions, tiled[k].sums.positions);
    EXPECT_LT(relative(whole[k].sums.products, tiled[k].sums.products), 1e-6);
    EXPECT_LT(relative(whole[k].sums.answers, tiled[k].sums.answers), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Tiled,
                         ::testing::Values(Subject{"vgg", small_vgg, {"a", "b", "c", "d"}, 71, 84, 36},
                                           Subject{"random_filters",
                                                   [] { return random_filters(3); },
                                                   {"style1", "style2", "style3", "content"},
                                                   170,
                                                   163,
                                                   112},
                                           Subject{"vgg_odd", small_vgg, {"d"}, 93, 75, 41},
                                           Subject{"inception", small_inception, {"a", "b", "c", "d"}, 203, 190, 120},
                                           Subject{"inception_odd", small_inception, {"c", "one"}, 170, 157, 97},
                                           Subject{"valid", small_valid, {"a", "b"}, 131, 118, 61}),
                         [](const auto& subject) { return subject.param.name; });

// Zeros beyond the picture's border count; those beyond a tile's do not.
TEST(Tiling, BordersAreThePicturesOwn) {
  const AxisTiles tiles{64, {0, 32, 64}, {0, 48, 80, 128}};
  EXPECT_EQ(owned(tiles, 0, 16, 8).begin, 0);
  EXPECT_EQ(owned(tiles, 0, 16, 8).end, 3);
  EXPECT_EQ(owned(tiles, 2, 16, 9).end, 9);
  EXPECT_EQ(owned(tiles, 1, 16, 4).end, 4);
}

// Terms of the picture alone have no halo but total variation's next row.
TEST(Tiling, OfPicturesSeesTheNextPixel) {
  const Subject s{"prior", small_vgg, {}, 100, 90, 40};
  const Model model = small_vgg();
  const auto backend = cpu_backend();
  const std::vector<LossTerm> terms = {total_variation_term({.beta = 1.5}, 1),
                                       total_variation_term({.form = "interior"}, 1)};
  EXPECT_EQ(PictureLoss(model, terms, s.height, s.width, {.tile = s.tile}).estimate().tiling.halo, 1);
  const LossValue whole = evaluated(model, terms, s, *backend, {});
  const LossValue tiled = evaluated(model, terms, s, *backend, {.tile = s.tile});
  EXPECT_NEAR(tiled.total / whole.total, 1, 1e-6);
  EXPECT_LT(relative(whole.gradient, tiled.gradient), 1e-6);
  EXPECT_THROW(PictureLoss(model, terms, 100, 100, {.tile = -3}), Error);
}

TEST(PictureLoss, SaysWhatIsWrong) {
  const Model model = small_vgg();
  const auto backend = cpu_backend();
  const auto style = capture(kQuiet, model, formula_levels("style", 20, 20), {{.layer = "a"}}, *backend, exact());
  const auto loss = [&](LossTerm term, int64_t side, TilingSettings tiling) {
    return message_of([&] { PictureLoss(model, {std::move(term)}, side, side, tiling); });
  };
  EXPECT_NE(loss(style_term("aa", style[0].sums, "gatys", 1), 20, {}).find("aa"), std::string::npos);
  const std::string small = loss(style_term("a", style[0].sums, "gatys", 1), 400, {.memory = 100000});
  EXPECT_NE(small.find("even the smallest tile"), std::string::npos) << small;
  const std::string tile = loss(style_term("a", style[0].sums, "gatys", 1), 400, {.tile = 2});
  EXPECT_NE(tile.find("the smallest tile is"), std::string::npos) << tile;
  const std::string target = loss(content_term("a", Tensor(DType::f32, {1, 8, 19, 20}), "sum", 1), 20, {});
  EXPECT_NE(target.find("expected f32[1x1 or 8x20x20]"), std::string::npos) << target;
  EXPECT_NE(message_of([&] { PictureLoss(model, {}, 20, 20); }).find("no terms"), std::string::npos);
  PictureLoss whole(model, {style_term("a", style[0].sums, "gatys", 1)}, 20, 20);
  whole.prepare(*backend, exact());
  EXPECT_NE(message_of([&] { whole.evaluate(kQuiet, formula_levels("x", 21, 20)); }).find("1x3x20x20"),
            std::string::npos);
}

// What looks at the whole picture cannot be had in tiles, and is named.
TEST(PictureLoss, NeedsNoWeightsOfLaterLayers) {
  const Subject s{"first", small_vgg, {"a", "b"}, 40, 30, 40};
  Model model = small_vgg();
  const auto backend = cpu_backend({});
  const LossValue whole = evaluated(model, terms_of(s, model, *backend), s, *backend, {});
  keep_weights_of(model, s.layers);
  EXPECT_EQ(model.weights.size(), 4U);
  EXPECT_FALSE(model.weights.contains("c"));
  const LossValue first = evaluated(model, terms_of(s, model, *backend), s, *backend, {});
  EXPECT_EQ(first.total, whole.total);
  EXPECT_EQ(relative(whole.gradient, first.gradient), 0);
  keep_weights_of(model, {"e"});
  EXPECT_EQ(model.weights.size(), 4U);
}

TEST(PictureLoss, RefusesGlobalOperatorsByName) {
  SmallNetwork n;
  Value x = n.conv("a", n.picture(), 8, 3, {.pad = 1});
  const Value squeezed = global_average_pool(n.model.graph, x);
  n.model.graph.rename(squeezed.node, "squeeze");
  n.named("b", mul(n.model.graph, x, squeezed));
  const LossTerm term = content_term("b", Tensor(DType::f32, {1, 8, 300, 300}), "sum", 1);
  const std::string text = message_of([&] { PictureLoss(n.model, {term}, 300, 300, {.tile = 100}); });
  EXPECT_NE(text.find("\"squeeze\""), std::string::npos) << text;
  EXPECT_NO_THROW(PictureLoss(n.model, {term}, 300, 300));
}

TEST(PictureLoss, TermsThatAreNotFiniteAreNamed) {
  const Model model = small_vgg();
  Tensor target(DType::f32, {1, 8, 20, 20});
  target.set(5, std::nan(""));
  PictureLoss loss(model, {alpha_norm_term({}, 1e-6), content_term("a", target, "sum", 1)}, 20, 20);
  loss.prepare(reference_backend(), exact());
  const LossValue value = loss.evaluate(kQuiet, formula_levels("x", 20, 20));
  EXPECT_NE(loss.not_finite(value).find("content a"), std::string::npos) << loss.not_finite(value);
}

// Real VGG-19 convolutions, Winograd and all: tiles that see the same blocks compute the same numbers.
void tiles_of_vgg_are_the_whole(int64_t height, int64_t width, int64_t side, int64_t count) {
  const auto file = data_folder() / "weights/vgg19_conv/vgg19_conv_f16_u8.safetensors.xz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  Model model = open_model(file);
  complete_meaning(model);
  const auto backend = cpu_backend();
  CompileOptions how;
  how.tune = false;
  std::vector<CapturedLayer> layers;
  for (const char* layer : {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"}) layers.push_back({.layer = layer});
  const auto style = capture(kQuiet, model, formula_levels("style", 128, 128), layers, *backend, how);
  std::vector<LossTerm> terms;
  for (size_t k = 0; k < layers.size(); ++k) terms.push_back(style_term(layers[k].layer, style[k].sums, "gatys", 1));
  LossValue values[2];
  for (const int tiled : {0, 1}) {
    PictureLoss loss(model, terms, height, width, {.tile = tiled ? side : 0});
    const Tiling& tiling = loss.estimate().tiling;
    EXPECT_EQ(tiling.count(), tiled ? count : 1);
    EXPECT_TRUE(tiling.aligned);
    if (tiled) EXPECT_EQ(tiling.halo, 80);  // of a field of 156 pixels, rounded up to the stride
    loss.prepare(*backend, how);
    // What was promised before compiling: within a third of what is held.
    const double held = static_cast<double>(loss.memory());
    double fixed = 0;
    for (const auto& [name, weight] : model.weights) fixed += static_cast<double>(weight.bytes());
    EXPECT_NEAR(static_cast<double>(loss.estimate().bytes) / (held + fixed), 1, 0.33);
    values[tiled] = loss.evaluate(kQuiet, formula_levels("levels", height, width));
  }
  for (size_t k = 0; k < terms.size(); ++k) EXPECT_NEAR(values[1].terms[k] / values[0].terms[k], 1, 1e-5);
  EXPECT_LT(relative(values[0].gradient, values[1].gradient), 1e-5);
}

TEST(PictureLoss, TilesOfVgg19AreTheWhole) { tiles_of_vgg_are_the_whole(96, 720, 544, 2); }

TEST(PictureLoss, TilesOfVgg19AreTheWholeAt1024) {
  constexpr size_t kNeed = size_t{5} << 30;
  if (available_memory() < kNeed)
    GTEST_SKIP() << "NOT TESTED: less than " << (kNeed >> 30) << " GiB of memory are free";
  tiles_of_vgg_are_the_whole(1024, 1024, 640, 4);
}

}  // namespace
}  // namespace fovea
