// Augmentation: its properties, small values worked by hand, and its texts.
#include "fovea/data/augmentation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "fovea/base/error.h"
#include "fovea/data/drawn.h"
#include "fovea/image/geometry.h"
#include "fovea/model/preprocess.h"

namespace fovea {
namespace {

Image grey(int width, int height, std::vector<uint8_t> samples) {
  return Image::own(width, height, 1, std::move(samples));
}
Image nine() { return grey(3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}); }

Image once(const Image& picture, const Augmentation& step, int64_t sample, Rgb mean = kBlack) {
  return augment(picture, std::span(&step, 1), augmentation_key(1, 0, sample), mean);
}

std::set<std::vector<uint8_t>> outcomes(const Image& picture, const Augmentation& step, int64_t samples) {
  std::set<std::vector<uint8_t>> seen;
  for (int64_t i = 0; i < samples; ++i) {
    const Image image = once(picture, step, i);
    seen.insert({image.samples().begin(), image.samples().end()});
  }
  return seen;
}

TEST(Augmentation, NoiseHasItsDeviation) {
  const Image picture = grey(64, 64, std::vector<uint8_t>(4096, 128));
  const Image noisy = once(picture, ValueNoise{0.05}, 3);
  double sum = 0, square = 0;
  for (const uint8_t v : noisy.samples()) sum += v - 128.0, square += (v - 128.0) * (v - 128.0);
  const double deviation = 0.05 * 255;
  EXPECT_NEAR(sum / 4096, 0, 5 * deviation / 64);
  EXPECT_NEAR(std::sqrt(square / 4096), deviation, 5 * deviation / std::sqrt(2 * 4096.0));
}

TEST(Augmentation, DependsOnSeedEpochAndSample) {
  const Image picture = DrawnShapes(1, 24, 3).get(0).image;
  const auto steps = parse_augmentations("affine:shift=0.1:turn=20,elastic:34:4,colour:0.4:0.4:0.4,cutout:5");
  const auto at = [&](uint64_t seed, int64_t epoch, int64_t sample) {
    return augment(picture, steps, augmentation_key(seed, epoch, sample));
  };
  EXPECT_EQ(at(1, 2, 3), at(1, 2, 3));
  EXPECT_FALSE(at(1, 2, 3) == at(2, 2, 3));
  EXPECT_FALSE(at(1, 2, 3) == at(1, 3, 3));
  EXPECT_FALSE(at(1, 2, 3) == at(1, 2, 4));
  EXPECT_EQ(at(1, 2, 3).width(), 24);
  EXPECT_EQ(augment(picture, {}, Rng(1)), picture);
  EXPECT_THROW(augment(Image(), steps, Rng(1)), Error);
}

TEST(Augmentation, FlipsAsOftenAsAsked) {
  const Image picture = nine(), flipped = flip_horizontal(picture);
  EXPECT_EQ(once(picture, RandomFlip{1.0}, 0), flipped);
  EXPECT_EQ(once(picture, RandomFlip{0.0}, 0), picture);
  int count = 0;
  for (int64_t i = 0; i < 4000; ++i) count += once(picture, RandomFlip{0.25}, i) == flipped;
  EXPECT_NEAR(count, 1000, 5 * std::sqrt(4000 * 0.25 * 0.75));
}

TEST(Augmentation, AlternatingFlipShowsEachPictureBothWaysInTwoEpochs) {
  const Image picture = nine(), flipped = flip_horizontal(picture);
  const auto steps = parse_augmentations("alternating_flip");
  EXPECT_EQ(to_string(steps), "alternating_flip");
  const auto mirrored = [&](uint64_t seed, int64_t epoch, int64_t sample) {
    const Image image = augment(picture, steps, augmentation_key(seed, epoch, sample));
    EXPECT_TRUE(image == picture || image == flipped);
    return image == flipped;
  };
  int first = 0, second_seed = 0;
  for (int64_t sample = 0; sample < 4000; ++sample) {
    const bool begins = mirrored(1, 0, sample);
    first += begins;
    second_seed += begins == mirrored(2, 0, sample);
    for (int64_t epoch = 1; epoch < 5; ++epoch) ASSERT_EQ(mirrored(1, epoch, sample), begins != (epoch % 2 == 1));
  }
  EXPECT_NEAR(first, 2000, 5 * std::sqrt(1000.0));        // a fair coin a picture
  EXPECT_NEAR(second_seed, 2000, 5 * std::sqrt(1000.0));  // another one for another seed
  EXPECT_THROW(parse_augmentations("alternating_flip:0.5"), Error);
}

TEST(Augmentation, CropsAreEveryPartOfThePaddedPicture) {
  const Image padded = pad(nine(), 1, 1, 1, 1);
  std::set<std::vector<uint8_t>> expected;
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 3; ++x) {
      const Image part = crop(padded, x, y, 3, 3);
      expected.insert({part.samples().begin(), part.samples().end()});
    }
  EXPECT_EQ(outcomes(nine(), RandomCrop{1, Beyond::zero}, 200), expected);
  EXPECT_EQ(outcomes(nine(), RandomTranslation{1, Beyond::zero}, 200), expected);
  const Image row = grey(3, 1, {1, 2, 3});
  // Down and up, a single row is its own mirror image.
  EXPECT_EQ(outcomes(row, RandomCrop{1, Beyond::reflect}, 200),
            (std::set<std::vector<uint8_t>>{{2, 1, 2}, {1, 2, 3}, {2, 3, 2}}));
  std::set<std::vector<uint8_t>> with_mean;
  for (int64_t i = 0; i < 200; ++i) {
    const Image image = once(row, RandomCrop{1, Beyond::mean}, i, {50, 60, 70});
    with_mean.insert({image.samples().begin(), image.samples().end()});
  }
  EXPECT_EQ(with_mean, (std::set<std::vector<uint8_t>>{{50, 1, 2}, {1, 2, 3}, {2, 3, 50}, {50, 50, 50}}));
}

// The centre of mass of a dot and its second moments tell what an affine step did.
TEST(Augmentation, AffineStaysWithinItsRanges) {
  Image dot(41, 41, 1);
  dot.row(20)[20] = 255;
  double most = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const Image moved = once(dot, RandomAffine{.shift = 0.2}, i);
    double sum = 0, x = 0;
    for (int row = 0; row < 41; ++row)
      for (int column = 0; column < 41; ++column) {
        sum += moved.at(column, row, 0);
        x += moved.at(column, row, 0) * column;
      }
    ASSERT_NEAR(sum, 255, 3);  // rounded at up to four pixels
    most = std::max(most, std::abs(x / sum - 20));
  }
  EXPECT_LE(most, 0.2 * 41 + 0.3);
  EXPECT_GE(most, 0.2 * 41 * 0.95);
  // Area of a filled disc: scale changes it by up to 1.5^2, squeezing, shearing and turning do not.
  Image disc(61, 61, 1);
  double area = 0;
  for (int y = 0; y < 61; ++y)
    for (int x = 0; x < 61; ++x)
      if (std::hypot(x - 30, y - 30) < 12) disc.row(y)[x] = 200, area += 200;
  const auto ratio = [&](const RandomAffine& step, int64_t i) {
    const Image image = once(disc, step, i);
    double sum = 0;
    for (const uint8_t value : image.samples()) sum += value;
    return sum / area;
  };
  double least = 1, greatest = 1;
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_NEAR(ratio({.squeeze = 0.4, .shear = 0.3, .turn = 45}, i), 1, 0.02);
    const double r = ratio({.scale = 0.5}, i);
    least = std::min(least, r);
    greatest = std::max(greatest, r);
  }
  EXPECT_NEAR(least, 1 / 2.25, 0.1);
  EXPECT_NEAR(greatest, 2.25, 0.2);
  EXPECT_GE(least, 1 / 2.25 - 0.02);
  EXPECT_LE(greatest, 2.25 + 0.05);
}

// White noise of variance 1/3 blurred by a Gaussian has the variance 1 / (3 * 4 pi sigma^2) far from the edges, so the
// displacement's standard deviation is alpha / (sigma sqrt(12 pi)). A ramp of 4 levels a pixel shows it.
TEST(Augmentation, ElasticDisplacementsHaveTheSizeOfTheFormula) {
  Image ramp(64, 64, 1);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) ramp.row(y)[x] = static_cast<uint8_t>(4 * x);
  double squares = 0, count = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const Image bent = once(ramp, ElasticDistortion{34, 4}, i);
    for (int y = 20; y < 44; ++y)
      for (int x = 20; x < 44; ++x) {
        squares += std::pow((bent.at(x, y, 0) - 4.0 * x) / 4, 2);
        ++count;
      }
  }
  const double expected = 34 / (4 * std::sqrt(12 * std::numbers::pi));
  EXPECT_NEAR(std::sqrt(squares / count), expected, 0.15 * expected);  // some 290 independent places: 4 % each sigma
  EXPECT_EQ(once(ramp, ElasticDistortion{0, 4}, 0), ramp);
}

TEST(Augmentation, ColourJitterMixes) {
  const Image flat = Image::own(2, 1, 3, std::vector<uint8_t>{100, 100, 100, 100, 100, 100});
  std::set<int> levels;
  for (int64_t i = 0; i < 300; ++i) {
    const Image image = once(flat, ColourJitter{.brightness = 0.2}, i);
    EXPECT_EQ(image.at(0, 0, 0), image.at(1, 0, 2));
    levels.insert(image.at(0, 0, 0));
  }
  EXPECT_GE(*levels.begin(), 80);
  EXPECT_LE(*levels.rbegin(), 120);
  EXPECT_LE(*levels.begin(), 82);
  EXPECT_GE(*levels.rbegin(), 118);
  EXPECT_EQ(once(flat, ColourJitter{.contrast = 0.9, .saturation = 0.9}, 1), flat);  // grey is its own mean
  const Image two = grey(2, 1, {60, 140});
  std::set<int> gaps;
  for (int64_t i = 0; i < 200; ++i) {
    const Image image = once(two, ColourJitter{.contrast = 0.5}, i);
    EXPECT_EQ(image.at(0, 0, 0) + image.at(1, 0, 0), 200);
    gaps.insert(image.at(1, 0, 0) - image.at(0, 0, 0));
  }
  EXPECT_GE(*gaps.begin(), 40);
  EXPECT_LE(*gaps.rbegin(), 120);
  EXPECT_GE(gaps.size(), 20u);
  const Image red = Image::own(1, 1, 3, std::vector<uint8_t>{200, 50, 50});  // grey 94.85
  const Image faded = once(red, ColourJitter{.saturation = 1.0}, 4);
  EXPECT_NEAR((faded.at(0, 0, 0) - 94.85) / (200 - 94.85), (faded.at(0, 0, 1) - 94.85) / (50 - 94.85), 0.02);
}

TEST(Augmentation, ColourNoiseFollowsTheCovariance) {
  const Image pixel = Image::own(1, 1, 3, std::vector<uint8_t>{128, 128, 128});
  // C = [0.04 0.02 0; 0.02 0.04 0; 0 0 0]: the noise has the covariance (255 sigma)^2 C^2 = 65025 [20 16; 16 20] e-4.
  const ColourNoise noise{1.0, ColourCovariance{0.04, 0.02, 0, 0.04, 0, 0}};
  double rr = 0, rg = 0;
  constexpr int kCount = 20000;
  for (int64_t i = 0; i < kCount; ++i) {
    const Image image = once(pixel, noise, i);
    const double r = image.at(0, 0, 0) - 128, g = image.at(0, 0, 1) - 128;
    ASSERT_EQ(image.at(0, 0, 2), 128);
    rr += r * r / kCount;
    rg += r * g / kCount;
  }
  EXPECT_NEAR(rr, 130.05, 0.05 * 130.05);
  EXPECT_NEAR(rg, 104.04, 0.06 * 104.04);
  EXPECT_THROW(once(pixel, ColourNoise{0.1, std::nullopt}, 0), Error);
}

class BlackAndWhite : public Dataset {
 public:
  int64_t size() const override { return 2; }
  Sample get(int64_t index) const override {
    const auto level = static_cast<uint8_t>(index == 0 ? 0 : 255);
    return {Image::own(2, 1, 3, std::vector<uint8_t>{level, level, 51, level, level, 51}), 0};
  }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<std::string> classes_;
};

TEST(Augmentation, MeasuresTheColoursOfASet) {
  const ColourCovariance covariance = colour_covariance(BlackAndWhite());
  const double expected[6] = {0.25, 0.25, 0, 0.25, 0, 0};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(covariance[i], expected[i], 1e-12);
  auto steps = parse_augmentations("flip,pca:0.2");
  fit_colours(steps, BlackAndWhite());
  EXPECT_EQ(std::get<ColourNoise>(steps[1]).covariance, covariance);
  EXPECT_EQ(parse_augmentations(to_string(steps)), steps);
  EXPECT_THROW(colour_covariance(BlackAndWhite(), 0), Error);
}

TEST(Augmentation, CutoutBlanksASquareAnywhere) {
  const Image white = Image::own(8, 8, 1, std::vector<uint8_t>(64, 255));
  std::vector<int> hits(64, 0);
  for (int64_t i = 0; i < 1000; ++i) {
    const Image cut = once(white, Cutout{4, Beyond::mean}, i, {9, 8, 7});
    int left = 8, right = -1, top = 8, bottom = -1, blank = 0;
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        if (cut.at(x, y, 0) == 255) continue;
        ASSERT_EQ(cut.at(x, y, 0), 9);
        ++hits[static_cast<size_t>(8 * y + x)];
        ++blank;
        left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
      }
    ASSERT_EQ(blank, (right - left + 1) * (bottom - top + 1));
    ASSERT_GE(blank, 4);  // the middle is a pixel of the picture: 2 x 2 at least
    ASSERT_LE(blank, 16);
  }
  // A pixel far from the edges is covered by 16 of 64 middles.
  EXPECT_NEAR(hits[8 * 4 + 4], 250, 5 * std::sqrt(1000 * 0.25 * 0.75));
  EXPECT_GT(*std::min_element(hits.begin(), hits.end()), 0);
}

TEST(Augmentation, TextsComeBack) {
  const std::string texts[] = {"none",
                               "flip",
                               "flip:0.3",
                               "crop:4",
                               "crop:4:reflect,cutout:8",
                               "translate:2:mean",
                               "affine:shift=0.1:scale=0.15:squeeze=0.2:shear=0.25:turn=10:reflect",
                               "elastic:34:4",
                               "colour:0.4:0.3:0.2",
                               "pca:0.1",
                               "pca:0.1:0.0625:0.01:0.02:0.07:0.03:0.333333333333333314829616256247",
                               "cutout:8:zero",
                               "noise:0.05"};
  for (const std::string& text : texts) {
    const auto steps = parse_augmentations(text);
    EXPECT_EQ(parse_augmentations(to_string(steps)), steps) << text;
    if (text.size() < 60) EXPECT_EQ(to_string(steps), text);
  }
  EXPECT_TRUE(parse_augmentations("").empty());
}

TEST(Augmentation, WrongTextsAreErrorsThatSayWhat) {
  const std::pair<const char*, const char*> wrong[] = {
      {"flop", "did you mean \"flip\""}, {"flip:2", "expected 0 to 1"},     {"crop", "is missing"},
      {"crop:-1", "whole number"},       {"crop:1.5", "whole number"},      {"crop:4:sideways", "no edge rule"},
      {"crop:4:zero:1", "left over"},    {"cutout:8:reflect", "edge rule"}, {"affine:spin=3", "unknown field"},
      {"affine:turn=900", "0 to 180"},   {"elastic:34", "is missing"},      {"colour:nan:0:0", "a number"},
      {"pca:0.1:1:2", "expected"},       {"flip,,crop:4", "unknown"},       {"crop:99999999999999999999", "whole"},
      {"colour:1e999:0:0", "a number"}};
  for (const auto& [text, part] : wrong) {
    try {
      parse_augmentations(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(error.message().find(part), std::string::npos) << text << ": " << error.message();
    }
  }
  std::string many = "flip";
  for (int i = 0; i < 64; ++i) many += ",flip";
  EXPECT_THROW(parse_augmentations(many), Error);
}

TEST(Augmentation, MeanColourIsWhatBecomesZero) {
  EXPECT_EQ(mean_colour(preset("cifar", 32, 32)), (Rgb{125, 123, 114}));
  EXPECT_EQ(mean_colour(preset("caffe")), (Rgb{123, 117, 104}));
  EXPECT_EQ(mean_colour(preset("mnist", 28, 28)), kBlack);
}

}  // namespace
}  // namespace fovea
