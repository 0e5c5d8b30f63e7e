// Formulas and sources stand at the steps' declarations. A step numbered i takes its numbers from key.fork(i), so that
// changing one step does not change what the others do.
#include "fovea/data/augmentation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/image/geometry.h"
#include "fovea/image/warp.h"

namespace fovea {

namespace {

struct Dice {
  Rng rng;
  Rgb mean;
  bool mirrored;
  // Uniform in -most .. most.
  double between(uint64_t index, double most) const { return most * (2 * rng.uniform_double(index) - 1); }
  // A whole number in -most .. most.
  int64_t whole(uint64_t index, int most) const {
    return static_cast<int64_t>(rng.below(index, 2 * static_cast<uint64_t>(most) + 1)) - most;
  }
  Rgb fill(Beyond beyond) const { return beyond == Beyond::mean ? mean : kBlack; }
};

Edge edge(Beyond beyond) { return beyond == Beyond::reflect ? Edge::reflect : Edge::fill; }
uint8_t level(double value) { return static_cast<uint8_t>(std::clamp(value, 0.0, 255.0) + 0.5); }

Image moved(const Image& picture, int64_t x, int64_t y, Beyond beyond, const Dice& dice) {
  if (x == 0 && y == 0) return picture;
  return window(picture, x, y, picture.width(), picture.height(), edge(beyond), dice.fill(beyond));
}

Image apply(const RandomFlip& step, const Image& picture, const Dice& dice) {
  return dice.rng.uniform_double(0) < step.chance ? flip_horizontal(picture) : picture;
}

Image apply(const AlternatingFlip&, const Image& picture, const Dice& dice) {
  return dice.mirrored ? flip_horizontal(picture) : picture;
}

Image apply(const RandomCrop& step, const Image& picture, const Dice& dice) {
  return moved(picture, dice.whole(0, step.pad), dice.whole(1, step.pad), step.beyond, dice);
}

Image apply(const RandomTranslation& step, const Image& picture, const Dice& dice) {
  return moved(picture, -dice.whole(0, step.most), -dice.whole(1, step.most), step.beyond, dice);
}

Image apply(const RandomAffine& step, const Image& picture, const Dice& dice) {
  const double scale = std::pow(1 + step.scale, dice.between(0, 1));
  const double squeeze = std::pow(1 + step.squeeze, dice.between(1, 1));
  const double shear = dice.between(2, step.shear);
  const double angle = dice.between(3, step.turn) * std::numbers::pi / 180;
  const double c = std::cos(angle), s = std::sin(angle), sx = scale * squeeze, sy = scale / squeeze;
  // rotation [c -s; s c] times shear [1 shear; 0 1] times diag(sx, sy).
  AffineMap map;
  map.m = {c * sx, (c * shear - s) * sy, s * sx, (s * shear + c) * sy};
  map.shift_x = dice.between(4, step.shift) * picture.width();
  map.shift_y = dice.between(5, step.shift) * picture.height();
  return affine(picture, map, edge(step.beyond), dice.fill(step.beyond));
}

Image apply(const ElasticDistortion& step, const Image& picture, const Dice& dice) {
  const int width = picture.width(), height = picture.height();
  const size_t count = static_cast<size_t>(width) * static_cast<size_t>(height);
  std::array<std::vector<float>, 2> places = {std::vector<float>(count), std::vector<float>(count)};
  for (size_t i = 0; i < count; ++i) {  // one word for both fields: 16 bits each, the middles of 65536 steps in -1..1
    const uint32_t word = dice.rng.bits(i);
    places[0][i] = (static_cast<float>(word >> 16) + 0.5f) * 0x1p-15f - 1;
    places[1][i] = (static_cast<float>(word & 0xFFFF) + 0.5f) * 0x1p-15f - 1;
  }
  for (std::vector<float>& field : places) field = blur_plane(field, width, height, step.sigma);
  const auto alpha = static_cast<float>(step.alpha);
  for (size_t i = 0; i < count; ++i) {
    places[0][i] = static_cast<float>(i % static_cast<size_t>(width)) + alpha * places[0][i];
    places[1][i] = static_cast<float>(i / static_cast<size_t>(width)) + alpha * places[1][i];
  }
  return remap(picture, places[0], places[1], width, height, edge(step.beyond), dice.fill(step.beyond));
}

// Every sample becomes factor * sample + (1 - factor) * other(pixel's samples).
template <class Other>
void mix(Image& picture, double factor, const Other& other) {
  const int channels = picture.channels();
  std::span<uint8_t> samples = picture.samples();
  for (size_t i = 0; i < samples.size(); i += static_cast<size_t>(channels)) {
    const double towards = (1 - factor) * other(&samples[i]);
    for (int c = 0; c < channels; ++c) {
      uint8_t& sample = samples[i + static_cast<size_t>(c)];
      sample = level(factor * sample + towards);
    }
  }
}

Image apply(const ColourJitter& step, Image picture, const Dice& dice) {
  const auto factor = [&](uint64_t index, double range) {
    const double low = std::max(0.0, 1 - range);
    return low + (1 + range - low) * dice.rng.uniform_double(index);
  };
  if (step.brightness > 0) mix(picture, factor(0, step.brightness), [](const uint8_t*) { return 0.0; });
  if (step.contrast > 0) {
    const Image grey = picture.to_grey();
    double sum = 0;
    for (const uint8_t value : grey.samples()) sum += value;
    const double mean = sum / static_cast<double>(grey.samples().size());
    mix(picture, factor(1, step.contrast), [mean](const uint8_t*) { return mean; });
  }
  if (step.saturation > 0 && picture.channels() == 3)
    mix(picture, factor(2, step.saturation),
        [](const uint8_t* p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471) / 65536.0; });
  return picture;
}

Image apply(const ColourNoise& step, const Image& grey_or_rgb, const Dice& dice) {
  require(step.covariance.has_value(), ErrorKind::usage,
          "the colour noise does not know the set's colours; complete it (fit_colours), or write them out: "
          "pca:{}:rr:rg:rb:gg:gb:bb",
          step.sigma);
  const ColourCovariance& v = *step.covariance;
  const double rows[3][3] = {{v[0], v[1], v[2]}, {v[1], v[3], v[4]}, {v[2], v[4], v[5]}};
  Image picture = grey_or_rgb.to_rgb();
  std::array<double, 3> shift{};
  for (size_t c = 0; c < 3; ++c)
    for (uint64_t k = 0; k < 3; ++k) shift[c] += 255 * step.sigma * rows[c][k] * dice.rng.normal(k);
  std::span<uint8_t> samples = picture.samples();
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = level(samples[i] + shift[i % 3]);
  return picture;
}

Image apply(const Cutout& step, Image picture, const Dice& dice) {
  const auto x = static_cast<int>(dice.rng.below(0, static_cast<uint64_t>(picture.width())));
  const auto y = static_cast<int>(dice.rng.below(1, static_cast<uint64_t>(picture.height())));
  const int left = x - step.side / 2, top = y - step.side / 2, channels = picture.channels();
  const Rgb fill = dice.fill(step.beyond);
  const uint8_t colour[3] = {fill.r, fill.g, fill.b};
  for (int row = std::max(0, top); row < std::min(picture.height(), top + step.side); ++row)
    for (int column = std::max(0, left); column < std::min(picture.width(), left + step.side); ++column)
      std::copy_n(colour, channels, picture.row(row) + static_cast<int64_t>(column) * channels);
  return picture;
}

Image apply(const ValueNoise& step, Image picture, const Dice& dice) {
  std::span<uint8_t> samples = picture.samples();
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = level(samples[i] + 255 * step.sigma * dice.rng.normal(i));
  return picture;
}

Image plain(const Image& picture) {
  Image image = picture.to_8bit();
  return image.has_alpha() ? image.to_rgb() : image;
}

}  // namespace

AugmentationKey augmentation_key(uint64_t seed, int64_t epoch, int64_t sample) {
  const auto own = static_cast<uint64_t>(sample);
  AugmentationKey key = Rng(seed).fork("augmentation").fork(static_cast<uint64_t>(epoch)).fork(own);
  key.mirrored = (Rng(seed).fork("alternating flip").fork(own).below(0, 2) == 1) != (epoch % 2 == 1);
  return key;
}

Image augment(const Image& picture, std::span<const Augmentation> steps, const AugmentationKey& key, Rgb mean) {
  require(!picture.empty(), ErrorKind::usage, "the picture is empty");
  Image image = plain(picture);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Dice dice{key.rng.fork(i), mean, key.mirrored};
    image = std::visit([&](const auto& step) { return apply(step, image, dice); }, steps[i]);
  }
  return image;
}

Tensor augment_values(const Tensor& values, std::span<const Augmentation> steps, const AugmentationKey& key) {
  Tensor result = values;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto* noise = std::get_if<ValueNoise>(&steps[i]);
    require(
        noise != nullptr, ErrorKind::usage,
        "the augmentation \"{}\" is for pictures, and the set holds rows of numbers; only noise:SIGMA changes those",
        to_string(steps.subspan(i, 1)));
    const Rng rng = key.rng.fork(i);
    const auto data = result.data<float>();
    for (size_t k = 0; k < data.size(); ++k) data[k] += static_cast<float>(noise->sigma * rng.normal(k));
  }
  return result;
}

Rgb mean_colour(const Preprocess& how) {
  std::array<uint8_t, 3> rgb{};
  if (how.mean.empty() || how.scale == 0) return kBlack;
  for (size_t c = 0; c < 3; ++c) {
    const size_t source = how.colour == "grey" ? 0 : how.colour == "bgr" ? 2 - c : c;
    rgb[c] = source < how.mean.size() ? level(how.mean[source] / how.scale) : uint8_t{0};
  }
  return {rgb[0], rgb[1], rgb[2]};
}

ColourCovariance colour_covariance(const Dataset& set, int64_t limit) {
  require(set.size() > 0 && limit > 0, ErrorKind::usage, "colours cannot be measured on {} of {} pictures", limit,
          set.size());
  const int64_t count = std::min(set.size(), limit);
  std::vector<std::array<double, 9>> moments(static_cast<size_t>(count));  // three means, six mean products
  parallel_tasks(count, [&](int64_t i) {
    // i * size / count without running over: pictures spread over the whole set.
    const int64_t whole = set.size() / count, rest = set.size() % count;
    const Image picture = plain(set.get(i * whole + i * rest / count).image).to_rgb();
    std::array<double, 9>& sums = moments[static_cast<size_t>(i)];
    const std::span<const uint8_t> samples = picture.samples();
    for (size_t k = 0; k < samples.size(); k += 3) {
      const double r = samples[k] / 255.0, g = samples[k + 1] / 255.0, b = samples[k + 2] / 255.0;
      const double values[9] = {r, g, b, r * r, r * g, r * b, g * g, g * b, b * b};
      for (size_t m = 0; m < 9; ++m) sums[m] += values[m];
    }
    for (double& sum : sums) sum /= static_cast<double>(std::max<size_t>(1, samples.size() / 3));
  });
  std::array<double, 9> mean{};
  for (const auto& one : moments)  // in the pictures' order: the same bits whatever the threads
    for (size_t m = 0; m < 9; ++m) mean[m] += one[m] / static_cast<double>(count);
  return {mean[3] - mean[0] * mean[0], mean[4] - mean[0] * mean[1], mean[5] - mean[0] * mean[2],
          mean[6] - mean[1] * mean[1], mean[7] - mean[1] * mean[2], mean[8] - mean[2] * mean[2]};
}

void fit_colours(std::vector<Augmentation>& steps, const Dataset& set) {
  std::optional<ColourCovariance> covariance;
  for (Augmentation& step : steps)
    if (auto* noise = std::get_if<ColourNoise>(&step); noise && !noise->covariance) {
      if (!covariance) covariance = colour_covariance(set);
      noise->covariance = covariance;
    }
}

}  // namespace fovea
