// Losses and gradients beside PyTorch's (tests/golden/picture_loss/make.py), on both backends.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/insight/picture_loss.h"
#include "tests/insight/small_loss_networks.h"

namespace fovea {
namespace {

std::map<std::string, std::vector<double>> golden() {
  std::map<std::string, std::vector<double>> result;
  std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/picture_loss/picture_loss.txt");
  for (std::string text; std::getline(in, text);) {
    std::istringstream line(text);
    std::string name;
    line >> name;
    for (double x; line >> x;) result[name].push_back(x);
  }
  return result;
}

std::vector<LossTerm> terms_of(const std::string& name, const Model& model, Backend& backend) {
  const Context quiet;
  std::vector<CapturedLayer> layers;
  for (const char* layer : {"a", "b", "c", "d"}) layers.push_back({.layer = layer});
  const auto style = capture(quiet, model, formula_levels("style", 18, 20), layers, backend);
  if (name.starts_with("content")) {
    const auto content = capture(quiet, model, formula_levels("content", 22, 26),
                                 {{.layer = "c", .maps = true, .sums = false}}, backend);
    return {content_term("c", content[0].maps, name.substr(8), 1)};
  }
  if (name == "region")
    return {style_term("d", style[3].sums, "gatys", 1, formula_tensor("region", 1, 0, {1, 1, 11, 13}))};
  if (name == "normalised") {
    std::vector<LossTerm> terms = {style_term("b", style[1].sums, "johnson", 3),
                                   style_term("d", style[3].sums, "johnson", 5)};
    for (LossTerm& term : terms) term.normalise_gradient = true;
    return terms;
  }
  std::vector<LossTerm> terms;
  for (size_t k = 0; k < 4; ++k) terms.push_back(style_term(layers[k].layer, style[k].sums, name, 1));
  return terms;
}

void expect_like_golden(Backend& backend) {
  const Model model = small_vgg();
  const auto cases = golden();
  ASSERT_EQ(cases.size(), 8u);
  for (const auto& [name, numbers] : cases) {
    SCOPED_TRACE(name);
    PictureLoss loss(model, terms_of(name, model, backend), 22, 26);
    loss.prepare(backend, {.exact = true, .tune = false});
    const LossValue value = loss.evaluate({}, formula_levels("levels", 22, 26));
    if (name != "normalised") EXPECT_NEAR(value.total / numbers[0], 1, 1e-5);
    double squares = 0;
    for (const float g : value.gradient.data<float>()) squares += static_cast<double>(g) * static_cast<double>(g);
    // A thousand f32 products and sums behind each number; w2's slope divides by roots of small variances.
    const double close = name == "w2" ? 1e-3 : 2e-5;
    EXPECT_NEAR(std::sqrt(squares) / numbers[1], 1, close);
    for (size_t i = 2; i < numbers.size(); ++i)
      EXPECT_NEAR(value.gradient.at(static_cast<int64_t>(i - 2) * 97), numbers[i], close * numbers[1] / 10);
  }
}

TEST(LossGolden, ReferenceAgreesWithPyTorch) { expect_like_golden(reference_backend()); }
TEST(LossGolden, CpuAgreesWithPyTorch) { expect_like_golden(*cpu_backend({.exact = true})); }

}  // namespace
}  // namespace fovea
