// The gradients of every form of every term against differences, in double.
#include "fovea/insight/loss_term.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/ops/input.h"
#include "fovea/ops/root_trace.h"
#include "fovea/transform/gradient.h"
#include "tests/insight/small_loss_networks.h"
#include "tests/transform/differences.h"

namespace fovea {
namespace {

using ::fovea::testing::Feeds;

constexpr LayerSize kSize{4, 5, 6};
const Shape kMaps{1, 4, 5, 6};

MapSums sums_of(const std::string& name, int64_t positions) {
  const Tensor f = formula_tensor(name, 2, 0.3, {4, positions});
  MapSums sums{4, static_cast<double>(positions), Tensor(DType::f64, {4, 4}), Tensor(DType::f64, {4})};
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t p = 0; p < positions; ++p) {
      sums.answers.set(i, sums.answers.at(i) + f.at(i * positions + p));
      for (int64_t j = 0; j < 4; ++j)
        sums.products.set(i * 4 + j, sums.products.at(i * 4 + j) + f.at(i * positions + p) * f.at(j * positions + p));
    }
  return sums;
}

struct Built {
  Graph graph;
  Value maps, loss;
  Feeds feeds;
};

Built build(const LossTerm& term) {
  Built b;
  b.maps = input(b.graph, "maps", {DType::f64, kMaps});
  TermMaps seen{b.maps, {}, {}, {}};
  for (size_t i = 0; i < term.inputs.size(); ++i) {
    const std::string name = "given " + std::to_string(i);
    seen.inputs.push_back(input(b.graph, name, {DType::f64, term.inputs[i].shape()}));
    b.feeds[name] = term.inputs[i].cast(DType::f64);
  }
  b.loss = term.finish(b.graph, term.sums(b.graph, seen), kSize);
  b.feeds["maps"] = formula_tensor("maps of the terms", 2, 0.4, kMaps).cast(DType::f64);
  return b;
}

void expect_slope(const LossTerm& term) {
  SCOPED_TRACE(term.name);
  Built b = build(term);
  const std::vector<Value> d = gradient(b.graph, b.loss, std::vector<Value>{b.maps});
  testing::expect_gradients(b.graph, b.feeds, b.loss, {b.maps}, d, Rng(7));
}

TEST(LossTerm, StylesAgreeWithDifferences) {
  const Tensor region = formula_tensor("region of the terms", 1, 0, {1, 1, 5, 6});
  for (const std::string& form : style_forms()) {
    SCOPED_TRACE(form);
    expect_slope(style_term("layer", sums_of("target", 30), form, 1));
    expect_slope(style_term("layer", sums_of("target", 17), form, 1));
    expect_slope(style_term("layer", sums_of("target", 17), form, 1, region));
  }
}

TEST(LossTerm, ContentAndPriorsAgreeWithDifferences) {
  const Tensor target = formula_tensor("content", 2, 0.4, kMaps), region = formula_tensor("where", 1, 0, {1, 1, 5, 6});
  for (const std::string& form : content_forms()) {
    expect_slope(content_term("layer", target, form, 1));
    expect_slope(content_term("layer", target, form, 1, region));
  }
  for (const std::string& form : total_variation_forms()) {
    expect_slope(total_variation_term({.beta = 2, .form = form}, 1));
    expect_slope(total_variation_term({.beta = 1.5, .form = form}, 1));
  }
  for (const std::string& form : alpha_norm_forms()) expect_slope(alpha_norm_term({.alpha = 3, .form = form}, 1));
}

double value_of(const LossTerm& term) {
  Built b = build(term);
  return evaluate(b.graph, b.feeds, std::vector<Value>{b.loss})[0].at(0);
}

// The picture's own statistics as target: no distance, whatever the form.
TEST(LossTerm, ItsOwnStyleIsNoLoss) {
  const Tensor f = formula_tensor("maps of the terms", 2, 0.4, {4, 30});
  MapSums own{4, 30, Tensor(DType::f64, {4, 4}), Tensor(DType::f64, {4})};
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t p = 0; p < 30; ++p) {
      own.answers.set(i, own.answers.at(i) + f.at(i * 30 + p));
      for (int64_t j = 0; j < 4; ++j)
        own.products.set(i * 4 + j, own.products.at(i * 4 + j) + f.at(i * 30 + p) * f.at(j * 30 + p));
    }
  for (const std::string& form : style_forms()) {
    EXPECT_NEAR(value_of(style_term("layer", own, form, 1)), 0, 1e-12) << form;
    EXPECT_GT(value_of(style_term("layer", sums_of("target", 30), form, 1)), 1e-6) << form;
  }
}

// 4/N² of gatys is johnson's, and mean's 4 times gatys's.
TEST(LossTerm, FormsDifferByTheirFactors) {
  const MapSums target = sums_of("target", 21);
  const double gatys = value_of(style_term("layer", target, "gatys", 1));
  EXPECT_NEAR(value_of(style_term("layer", target, "johnson", 1)), gatys * 4 / 16, 1e-9 * gatys);
  EXPECT_NEAR(value_of(style_term("layer", target, "mean", 1)), gatys * 4, 1e-9 * gatys);
}

TEST(LossTerm, BlendsAreOfOnePosition) {
  const MapSums parts[] = {sums_of("one", 10), sums_of("two", 40)};
  const double shares[] = {1, 3};
  const MapSums mixed = blended(parts, shares);
  EXPECT_EQ(mixed.positions, 1);
  for (int64_t i = 0; i < 16; ++i)
    EXPECT_NEAR(mixed.products.at(i), 0.25 * parts[0].products.at(i) / 10 + 0.75 * parts[1].products.at(i) / 40, 1e-12);
}

TEST(LossTerm, SaysWhatIsWrong) {
  const MapSums target = sums_of("target", 10);
  try {
    style_term("conv1_1", target, "gaty", 1);
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("did you mean \"gatys\""), std::string::npos) << e.message(); }
  EXPECT_THROW(style_term("a", target, "gatys", 1, Tensor(DType::f32, {1, 1, 5, 6})), Error);
  EXPECT_THROW(style_term("a", {4, 0, Tensor(DType::f64, {4, 4}), Tensor(DType::f64, {4})}, "mean", 1), Error);
  EXPECT_THROW(content_term("a", Tensor(DType::f32, kMaps), "l1", 1), Error);
  const double nothing[] = {0.0};
  EXPECT_THROW(blended({&target, 1}, nothing), Error);
}

// tr (r a r)^½ against its eigenvalues and against differences, for a positive a.
TEST(RootTrace, SlopeAgreesWithDifferences) {
  const MapSums sums = sums_of("a", 9);
  Graph g;
  const Value a = input(g, "a", {DType::f64, {4, 4}});
  const Tensor root = symmetric_root(sums_of("b", 12).products);
  const Value t = root_trace(g, a, constant(g, root));
  const Feeds feeds = {{"a", sums.products}};
  testing::expect_gradients(g, feeds, t, {a}, gradient(g, t, std::vector<Value>{a}), Rng(3));
  Graph same;
  const Value b = input(same, "b", {DType::f64, {4, 4}});
  const Value trace = root_trace(same, b, constant(same, symmetric_root(sums.products)));
  double expected = 0;  // (a^½ a a^½)^½ = a
  for (int64_t i = 0; i < 4; ++i) expected += sums.products.at(i * 5);
  EXPECT_NEAR(evaluate(same, {{"b", sums.products}}, std::vector<Value>{trace})[0].at(0), expected, 1e-9 * expected);
}

}  // namespace
}  // namespace fovea
