// A painting drawn by a formula: a picture with a style, for a machine without pictures.
#pragma once

#include "fovea/base/rng.h"
#include "fovea/image/image.h"

namespace fovea {

// Short curved strokes in layers, coarse ones first, which follow a field of whirls; night blue, teal and ochre. Size x
// size, RGB, anti-aliased. The key moves whirls and strokes. Throws Error{usage} for a size outside 16 to 2048.
Image draw_painting(int size, const Rng& rng);

}  // namespace fovea
