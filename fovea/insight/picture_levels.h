// Pictures of any depth as levels and back, and pictures fitted into a size.
#pragma once

#include <vector>

#include "fovea/base/rng.h"
#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

// Levels [1,C,H,W] (see insight/parametrisation.h) of a picture of 8 or 16 bits: grey levels 0..255, times `factor`,
// minus the centre colour. Alpha is dropped.
Tensor picture_levels(const Image& picture, const Preprocess& how, double factor = 1);
// The picture of levels [1,C,H,W], rounded to 8 or 16 bits, cut off at black and white.
Image levels_picture(const Tensor& levels, const Preprocess& how, double factor = 1, int depth = 8);
// The levels of black (0) or white (255) of each channel.
std::vector<float> bound_levels(const Preprocess& how, double grey, double factor = 1);

// The sides with the longer one `size` and the other in proportion, rounded to the nearest, at least 1.
struct PictureSize {
  int64_t width = 0, height = 0;
};
PictureSize fitted_size(const Image& picture, int64_t size);
// In these sides, by Lanczos's filter.
Image fitted(const Image& picture, const PictureSize& size);

// Noise [1,C,H,W]: uniform within ±uniform plus normal of that deviation, around the middle grey, or around 0, the
// network's centre colour.
Tensor noise_levels(int64_t height, int64_t width, const Preprocess& how, double uniform, double normal,
                    bool around_grey, const Rng& rng);

}  // namespace fovea
