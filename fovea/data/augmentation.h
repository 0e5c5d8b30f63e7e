// Pictures changed at random before a network is trained on them, so that it learns what does not matter.
//
// A list of typed steps is applied in its order. Every random number is taken from the key that is handed in, so a
// picture depends on (seed, epoch, sample) only, whatever the number of threads or the order.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/data/dataset.h"
#include "fovea/image/colour.h"
#include "fovea/model/model.h"

namespace fovea {

// What a step puts where there is no picture: black, the colour that preprocessing turns into zeros, or (not for
// cutout) the picture mirrored.
enum class Beyond { zero, mean, reflect };

// Mirrored left to right with this probability. Text: flip, flip:0.3.
struct RandomFlip {
  double chance = 0.5;
  bool operator==(const RandomFlip&) const = default;
};

// Every other epoch mirrored left to right, each picture: in the first epoch by a coin of its own, from then on
// whenever it was not in the epoch before. Two epochs in a row so show each picture both ways, which coins for each
// epoch do not. Text: alternating_flip. Source: K. Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU" (2024),
// section 3.6.
struct AlternatingFlip {
  bool operator==(const AlternatingFlip&) const = default;
};

// Padded by `pad` pixels on each side, then a part of the former size anywhere in it, every place as likely. Text:
// crop:4, crop:4:reflect, crop:4:mean. Source: K. He et al., "Deep residual learning" (2016), section 4.2.
struct RandomCrop {
  int pad = 4;
  Beyond beyond = Beyond::zero;
  bool operator==(const RandomCrop&) const = default;
};

// Moved by whole pixels, -most .. most along each axis independently, every number as likely. The same distribution
// as a crop's, in the words of recipes for digits. Text: translate:2, translate:2:reflect.
struct RandomTranslation {
  int most = 2;
  Beyond beyond = Beyond::zero;
  bool operator==(const RandomTranslation&) const = default;
};

// An affine map about the picture's middle: scaled, squeezed, sheared, turned, then moved, with bilinear interpolation.
// Source: Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998), section III.B:
// translations, scaling, squeezing (narrower and higher at once, or wider and lower) and horizontal shearing; rotation
// is ours. Text: affine:shift=0.1:scale=0.1:squeeze=0.1:shear=0.1:turn=10:mean, what is left out being 0.
struct RandomAffine {
  double shift = 0;    // each way uniform in ± this share of the side
  double scale = 0;    // the factor is (1 + scale)^u, u uniform in -1..1
  double squeeze = 0;  // x by (1 + squeeze)^u, y by its inverse
  double shear = 0;    // x grows by y times a number uniform in ± this
  double turn = 0;     // degrees, uniform in ± this
  Beyond beyond = Beyond::zero;
  bool operator==(const RandomAffine&) const = default;
};

// Each pixel looks up a place displaced by a random field: uniform in -1..1, blurred by a Gaussian of `sigma` pixels
// (its sum 1, zeros beyond the edges), times `alpha`. Text: elastic:34:4, elastic:34:4:reflect. Source: P. Simard et
// al., "Best practices for convolutional neural networks applied to visual document analysis" (ICDAR 2003), section 2,
// whose best figures for digits are alpha 34 and sigma 4.
struct ElasticDistortion {
  double alpha = 34, sigma = 4;
  Beyond beyond = Beyond::zero;
  bool operator==(const ElasticDistortion&) const = default;
};

// Brightness, contrast and saturation, in this order, each times a number uniform in max(0, 1 - this) .. 1 + this:
// values are mixed with black, with the picture's mean grey, and with the pixel's own grey. Text: colour:0.4:0.4:0.4.
// Source: A. Howard, "Some improvements on deep convolutional neural network based image classification" (2013);
// the mixing is torchvision's ColorJitter.
struct ColourJitter {
  double brightness = 0, contrast = 0, saturation = 0;
  bool operator==(const ColourJitter&) const = default;
};

// The upper triangle of the covariance of a set's pixel colours, values 0..1: rr rg rb gg gb bb.
using ColourCovariance = std::array<double, 6>;

// One colour added to all pixels: [p1 p2 p3] [a1 l1, a2 l2, a3 l3] with p and l the eigenvectors and eigenvalues of the
// covariance C of the set's colours and a normal with the standard deviation `sigma`. With P orthogonal, a turned by it
// is the same distribution, so this is sigma C z with z standard normal: no decomposition is needed. The picture
// becomes RGB. Text: pca:0.1, which fit_colours completes; then pca:0.1:rr:rg:rb:gg:gb:bb. Source: A. Krizhevsky et
// al., "ImageNet classification with deep convolutional neural networks" (2012), section 4.1.
struct ColourNoise {
  double sigma = 0.1;
  std::optional<ColourCovariance> covariance;
  bool operator==(const ColourNoise&) const = default;
};

// A square of `side` pixels is blanked; its middle is any pixel, every one as likely, and what lies beyond the picture
// is cut off. Text: cutout:8, cutout:8:zero. Source: T. DeVries and G. Taylor, "Improved regularization of
// convolutional neural networks with cutout" (2017), section 3: zeros after normalisation, which is `mean`.
struct Cutout {
  int side = 8;
  Beyond beyond = Beyond::mean;
  bool operator==(const Cutout&) const = default;
};

// Independent normal numbers with the standard deviation `sigma` are added to all values: of the range 0..1 for
// pictures, of the feature's own deviation for rows of numbers (which are standardised before). Text: noise:0.05.
struct ValueNoise {
  double sigma = 0.05;
  bool operator==(const ValueNoise&) const = default;
};

using Augmentation = std::variant<RandomFlip, AlternatingFlip, RandomCrop, RandomTranslation, RandomAffine,
                                  ElasticDistortion, ColourJitter, ColourNoise, Cutout, ValueNoise>;

// The steps of a text, separated by commas: "flip,crop:4:reflect,cutout:8"; "" and "none" are no steps. Throws
// Error{usage} naming the step, what is wrong and what is known.
std::vector<Augmentation> parse_augmentations(std::string_view text);
// A text that parses to the same steps, to the last bit.
std::string to_string(std::span<const Augmentation> steps);
// Throws Error{usage} for numbers outside their ranges: probabilities 0..1, pixels 0..4096, factors 0..100, degrees
// 0..180, sigma of an elastic distortion 0..100.
void check_augmentation(const Augmentation& step);

// Where the random numbers of a sample come from in an epoch.
struct AugmentationKey {
  Rng rng;
  bool mirrored = false;                          // whether this is an epoch in which AlternatingFlip mirrors it
  AugmentationKey(Rng own = Rng()) : rng(own) {}  // NOLINT: a key of numbers alone
};
AugmentationKey augmentation_key(uint64_t seed, int64_t epoch, int64_t sample);

// The picture after all steps: 8 bits, grey or RGB (alpha is dropped, as preprocessing drops it), its size unchanged.
// mean: the colour of Beyond::mean. Throws Error{usage} for an empty picture and for colour noise without a covariance.
Image augment(const Image& picture, std::span<const Augmentation> steps, const AugmentationKey& key, Rgb mean = kBlack);

// Rows of numbers [F] or maps [C,H,W] f32 after all steps. Throws Error{usage} naming a step other than noise: they are
// for pictures.
Tensor augment_values(const Tensor& values, std::span<const Augmentation> steps, const AugmentationKey& key);

// The colour 0..255 nearest to what preprocessing turns into zeros.
Rgb mean_colour(const Preprocess& how);

// The covariance of the colours of all pixels in at most `limit` pictures of the set (all of them when there are no
// more; else every n-th); each picture counts the same. Grey pictures count as RGB. Throws Error{usage} for an empty
// set or limit < 1, and what reading a picture throws.
ColourCovariance colour_covariance(const Dataset& set, int64_t limit = 10000);

// Completes the colour noise among the steps from the training set.
void fit_colours(std::vector<Augmentation>& steps, const Dataset& set);

}  // namespace fovea
