// Tileable textures: the loss is that of the endless plane, and the seam is no edge.
#include "fovea/insight/texture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/data/drawn_painting.h"
#include "fovea/model/random_filters.h"

namespace fovea {
namespace {

struct Made {
  std::unique_ptr<Backend> backend = cpu_backend();
  Model model = random_filters(7);
  TextureSynthesis texture;
  explicit Made(bool tileable, int64_t steps) : texture(synthesis(tileable, steps)) {}
  TextureSynthesis synthesis(bool tileable, int64_t steps) {
    TextureSettings settings;
    settings.layers = style_layers_of(model).style;
    settings.layers.resize(3);
    settings.width = settings.height = 64;
    settings.source_size = 64;
    settings.steps = steps;
    settings.tileable = tileable;
    CompileOptions options;
    options.tune = false;
    return TextureSynthesis({}, model, settings, draw_painting(64, Rng(3)), {backend.get(), options});
  }
};

Tensor rolled(const Tensor& levels, int64_t by) {
  const int64_t channels = levels.size(1), height = levels.size(2), width = levels.size(3);
  Tensor result(DType::f32, levels.shape());
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        result.data<float>()[static_cast<size_t>((c * height + (y + by) % height) * width + (x + by) % width)] =
            levels.data<float>()[static_cast<size_t>((c * height + y) * width + x)];
  return result;
}

// How different neighbouring columns are across the picture's left and right edge, in the most different pair inside;
// or the same of rows, whichever is more.
double seam(const Image& picture) {
  const int w = picture.width(), h = picture.height();
  std::vector<double> columns(static_cast<size_t>(w)), rows(static_cast<size_t>(h));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        columns[static_cast<size_t>(x)] += std::abs(picture.at(x, y, c) - picture.at((x + 1) % w, y, c));
        rows[static_cast<size_t>(y)] += std::abs(picture.at(x, y, c) - picture.at(x, (y + 1) % h, c));
      }
  const auto share = [](const std::vector<double>& lines) {
    return lines.back() / *std::max_element(lines.begin(), lines.end() - 1);
  };
  return std::max(share(columns), share(rows));
}

TEST(TileableTexture, ItsLossIsThatOfTheEndlessPlane) {
  Made made(true, 1);
  ASSERT_GT(made.texture.wrap(), 0);
  PictureSynthesis synthesis = made.texture.synthesis({});
  synthesis.run({}, {});
  const Tensor levels = synthesis.shown();
  const int64_t wrap = made.texture.wrap();
  const auto loss = [&](const Tensor& at) { return synthesis.loss()->evaluate({}, wrapped(at, wrap)); };
  const LossValue here = loss(levels), there = loss(rolled(levels, 16)), elsewhere = loss(rolled(levels, 1));
  // By whole strides nothing changes; by one pixel the pools' windows lie elsewhere.
  EXPECT_NEAR(there.total, here.total, 1e-5 * here.total);
  EXPECT_GT(std::abs(elsewhere.total - here.total), 1e-5 * here.total);
  const Tensor gradient = rolled(unwrapped_sum(here.gradient, wrap), 16), shifted = unwrapped_sum(there.gradient, wrap);
  double difference = 0, size = 0;
  for (size_t i = 0; i < gradient.data<float>().size(); ++i) {
    difference += std::pow(gradient.data<float>()[i] - shifted.data<float>()[i], 2);
    size += std::pow(gradient.data<float>()[i], 2);
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-4);
}

TEST(TileableTexture, TheSeamIsNoMoreOfAnEdgeThanAnythingInside) {
  const auto seam_of = [](bool tileable) {
    Made made(tileable, 150);
    PictureSynthesis synthesis = made.texture.synthesis({});
    synthesis.run({}, {});
    return seam(made.texture.picture(synthesis.shown()));
  };
  const double with = seam_of(true), without = seam_of(false);
  RecordProperty("tileable", std::to_string(with));
  RecordProperty("not tileable", std::to_string(without));
  EXPECT_LT(with, 1);
  EXPECT_GT(without, 1.1) << "what the test measures is there to be seen";
}

}  // namespace
}  // namespace fovea
