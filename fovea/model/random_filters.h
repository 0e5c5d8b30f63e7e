// A network of random filters at several scales: no training, no weights to fetch.
#pragma once

#include "fovea/model/model.h"

namespace fovea {

// Five scales, each half as large as the one before (averages of 2x2 pixels); at each 64 random filters of 7x7 pixels
// and their rectified answers ("style1" … "style5"), and 64 of 3x3 on these ("content" at the second scale). Halves are
// smoothed by 3x3 first, or the gradient of a large scale would be blocks. Pictures are mirrored at their edges,
// symmetrically: every pixel is seen by equally many places, or a frame would be painted on those that more see.
// Filters are normal, without a mean over each colour but for one in four, and of norm 1; thresholds are normal. Their
// Gram matrices carry textures nearly as well as those of a trained network: Ustyuzhaninov, Brendel, Gatys & Bethge,
// "What does it take to generate natural textures?", ICLR 2017, which has one layer of filters of 3 to 55 pixels; the
// pyramid stands for the large ones. Of content they know edges and colours, nothing of things. Equal for equal seeds.
Model random_filters(uint64_t seed = 0);
bool is_random_filters(const Model& model);
// Of "style1" … "style5" those whose filters, 7, 14 … 112 pixels wide, span at most a third of a picture of that side,
// the first in any case: larger ones see so few places that their statistics hold a plan of the picture, and a texture
// by them would be a copy. At 256 pixels the widest have 56, as in the paper.
std::vector<std::string> random_filter_layers(int64_t side);

}  // namespace fovea
